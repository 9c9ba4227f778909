"""Windows' own Python on this machine: what is started with it, and stopped as a service of Windows is."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db.waiting import wait_until
from infra.tools.windows import ENVIRONMENT
from tests.fix_tools import need_tool

ROOT = Path(__file__).parents[1]
RUN_S = 240
SERVICE = ROOT / "tests" / "windows_service.py"


def name_path(path: Path) -> str:
    """Return a path as Windows' programs name it."""
    return "Z:" + str(path).replace("/", "\\")


@dataclass
class Started:
    """A process of Windows, and what it says."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen: under Wine a process writes into a pipe, not into a file."""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def says(self, word: str) -> bool:
        """Tell whether any line has it."""
        return any(word in line for line in list(self.lines))

    def ends(self) -> int:
        """Return the exit code."""
        code = self.process.wait(RUN_S)
        self._listener.join(RUN_S)
        return code

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.ends()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class Wine:
    """One C: drive and registry of our own."""

    loader: Path
    home: Path
    prefix: Path
    running: list[Started] = field(default_factory=list)

    def environment(self, **settings: str) -> dict[str, str]:
        """Return what a process is given: nothing of Ponte's but these."""
        ours = ("PONTE_", "PYTHON")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return {
            **inherited,
            **ENVIRONMENT,
            "WINEPREFIX": str(self.prefix),
            "PYTHONHOME": name_path(self.home / "python"),
            "PYTHONPATH": f"{name_path(self.home / 'site')};{name_path(ROOT)}",
            "PYTHONUTF8": "1",
            **settings,
        }

    def command(self, *words: str) -> list[str]:
        """Return how Windows' Python is called from here."""
        return [str(self.loader), str(self.home / "python/python.exe"), *words]

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*words), env=self.environment(**settings), cwd=ROOT, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, encoding="utf-8", timeout=RUN_S, check=False,
        )  # fmt: skip

    def start(self, *words: str, **settings: str) -> Started:
        """Start it."""
        process = subprocess.Popen(
            self.command(*words), env=self.environment(**settings), cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip
        started = Started(process)
        self.running.append(started)
        return started

    def serve(self, stop: Path, *words: str, **settings: str) -> Started:
        """Start it as a service; what is written into the file `stop` says how it is stopped."""
        return self.start(name_path(SERVICE), name_path(stop), *words, **settings)

    def stop_all(self) -> None:
        """End what runs still."""
        while self.running:
            self.running.pop().kill()


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """Windows' Python with a prefix of our own: its files are the tool's, what is written is ours."""
    loader, home = need_tool("wine"), need_tool("windows").parents[1]
    made = Wine(loader, home, tmp_path_factory.mktemp("wine"))
    _copy_prefix(home / "prefix", made.prefix)
    server = [str(loader.with_name("wineserver"))]
    environment = made.environment()
    subprocess.run([*server, "--persistent"], env=environment, check=True, timeout=RUN_S)
    # What Wine starts with its first program lives on, and would keep that one's pipes open.
    subprocess.run(
        made.command("-c", ""), env=environment, check=True, timeout=RUN_S, cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield made
    finally:
        made.stop_all()
        subprocess.run([*server, "--kill"], env=environment, check=False, timeout=RUN_S)
        wait_until(lambda: _is_over(server, environment), RUN_S)
        shutil.rmtree(made.prefix, ignore_errors=True)


def _is_over(server: Sequence[str], environment: dict[str, str]) -> bool:
    return subprocess.run([*server, "--wait"], env=environment, check=False, timeout=RUN_S).returncode == 0


def _copy_prefix(made: Path, own: Path) -> None:
    drive = own / "drive_c"
    for folder in ("windows/temp", "users", "ProgramData"):
        (drive / folder).mkdir(parents=True)
    for one in (made / "drive_c/windows").iterdir():
        if one.name.lower() != "temp":
            (drive / "windows" / one.name).symlink_to(one)
    for name in ("Program Files", "Program Files (x86)"):
        (drive / name).symlink_to(made / "drive_c" / name)
    (own / "dosdevices").mkdir()
    (own / "dosdevices/c:").symlink_to("../drive_c")
    (own / "dosdevices/z:").symlink_to("/")
    for file in (*made.glob("*.reg"), *made.glob(".update-timestamp")):
        shutil.copy(file, own)
