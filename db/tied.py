"""Become a program that ends with its parent, on Linux: `python -I -S db/tied.py PARENT_PID READY PROGRAM …`.

READY is a file descriptor that is closed when the program begins. This runs before every child that
`db.lifetime` starts, so it imports as little as it can.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOBODY_WAITS = -1


def end_with(parent: int) -> None:
    """Have this process killed when the thread that started it ends; now, if its parent is already gone."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def become(command: list[str], ready: int) -> None:
    """Run the program in place of this one, with files and signals as it would have found them."""
    if ready != NOBODY_WAITS:
        os.set_inheritable(ready, False)
    if sys.platform != "win32":
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python's own start; exec would keep it so
            signal.signal(ignored, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    become(sys.argv[3:], int(sys.argv[2]))
