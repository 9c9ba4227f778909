"""Become a program that ends with its parent, on Linux: `python -I -S db/tied.py PARENT_PID PROGRAM …`.

Or `… PARENT_PID FD`: then the command is read there, and the end of FD tells that the program has begun, so
that no process looks like the program before it is tied. It imports as little as it can: it runs before every
child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SEPARATOR = b"\0"
ONLY_A_HANDLE = 3


def end_with(parent: int) -> None:
    """Have this process killed when the thread that started it ends; now, if its parent is already gone."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def read_command(handle: int) -> list[str]:
    """Return the parts that were sent, and let nobody inherit the other end of whoever waits."""
    os.set_inheritable(handle, False)
    told = b""
    while piece := os.read(handle, 65536):
        told += piece
    return [os.fsdecode(part) for part in told.split(SEPARATOR)]


def become(command: list[str]) -> None:
    """Run the program in place of this one, with the signals as it would have found them."""
    if sys.platform != "win32":
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python's own start; exec would keep it so
            signal.signal(ignored, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    become(sys.argv[2:] if len(sys.argv) > ONLY_A_HANDLE else read_command(int(sys.argv[2])))
