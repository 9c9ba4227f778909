"""Make `.venv` with everything that Ponte's commands need; nothing but Python's own library is used.

Run by `make`, and by hand on Windows: `python infra/bootstrap.py`. A second run does nothing unless
`pyproject.toml` or `constraints.txt` changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INPUTS = (ROOT / "pyproject.toml", ROOT / "constraints.txt")
STAMP = VENV / ".ponte-installed"
MINIMUM = (3, 11)


def main() -> int:
    """Install what is missing and return an exit code: 0 ready, 1 with one sentence on stderr."""
    problem = find_problem()
    if problem:
        return fail(problem)
    if STAMP.exists() and STAMP.read_text() == fingerprint():
        return 0
    say("setting up .venv (once; about half a minute)")
    try:
        install()
    except subprocess.CalledProcessError as error:
        return fail(f"'{' '.join(map(str, error.cmd[:4]))} …' failed with exit code {error.returncode}")
    STAMP.write_text(fingerprint())
    return 0


def find_problem() -> str | None:
    """Say what this machine lacks, or nothing."""
    if sys.version_info < MINIMUM:
        return f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed, this is {sys.version.split()[0]}"
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return f"Python's '{module}' module is missing (Debian: apt-get install python3-venv)"
    if not os.access(ROOT, os.W_OK):
        return f"{ROOT} cannot be written by this user"
    return None


def install() -> None:
    """Create the environment and install the project with its tools, each file by its hash and no other."""
    run(sys.executable, "-m", "venv", VENV)
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    # The list is whole, so nothing has to be found out.
    run(*pip, "--no-deps", "--require-hashes", "--requirement", ROOT / "constraints.txt")
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)


def run(*command: str | Path) -> None:
    """Run one command from the repository's root; what it prints on stdout goes to stderr."""
    sys.path.insert(0, str(ROOT))
    from db import lifetime  # noqa: PLC0415  # needs the Python that was asked for

    done = subprocess.run(lifetime.tie(command), check=False, cwd=ROOT, stdout=sys.stderr)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command)


def fingerprint() -> str:
    """Hash the files that decide what is installed."""
    digest = hashlib.sha256(sys.version.encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    """Talk to the person, on stderr: stdout is data."""
    print(f"ponte: {text}", file=sys.stderr, flush=True)


def fail(problem: str) -> int:
    """Report the one thing that is wrong."""
    say(problem)
    return 1


if __name__ == "__main__":
    sys.exit(main())
