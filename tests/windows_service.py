"""Runs a program as a manager of Windows' services does, and stops it as that does; on Windows' own Python.

`python windows_service.py FILE ARGUMENT…` gives the program a console of its own. When FILE is there its word
says how to stop: `ctrl-c` as NSSM does first, or `kill` as Windows does in the end.
The last line that it prints is `ended CODE`.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from pathlib import Path

POLL_S, STOP_S = 0.05, 60
CTRL_C, NO_WINDOW = 0, 0x08000000


def main(argv: list[str]) -> int:
    """Run it until told to stop, or until it ends."""
    assert sys.platform == "win32"
    told = Path(argv[0])
    child = subprocess.Popen(
        [sys.executable, *argv[1:]], creationflags=NO_WINDOW,
        stdin=subprocess.DEVNULL, stdout=sys.stdout, stderr=sys.stdout,
    )  # fmt: skip
    tell(f"started {child.pid}")
    while child.poll() is None and not told.exists():
        time.sleep(POLL_S)
    if child.poll() is None:
        stop(child, told.read_text(encoding="utf-8").strip())
    tell(f"ended {child.wait(STOP_S)}")
    return 0


def tell(line: str) -> None:
    """Say it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def stop(child: subprocess.Popen[bytes], how: str) -> None:
    """Send the event into the child's console, which we have to be on meanwhile."""
    if how == "kill":
        child.kill()
        return
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.FreeConsole()
    if not kernel.AttachConsole(child.pid):
        raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]
    kernel.SetConsoleCtrlHandler(None, True)
    if not kernel.GenerateConsoleCtrlEvent(CTRL_C, 0):
        raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]
    child.wait(STOP_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
