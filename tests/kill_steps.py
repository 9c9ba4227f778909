"""Runs a command again and again, killed when it says of a step for the first time that it does it.

`python kill_steps.py MODULE ARGUMENT…` imports the module once, then forks for each run: it costs what its
steps cost. It prints each step at which it killed, and ends with the code of the first run that was let end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib import import_module

MOST = 200
PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Return the exit code of the run that no step ended."""
    module, *arguments = argv
    program = import_module(module).main
    import_module("publications.commands.init")
    killed: set[bytes] = set()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for _ in range(MOST):
        code = run_once(program, arguments, killed)
        if code is not None:
            return code
    raise RuntimeError("it goes on for ever")


def run_once(program, arguments: list[str], killed: set[bytes]) -> int | None:  # type: ignore[no-untyped-def]
    """Run it in a group of its own; return its code, or nothing if it was killed at a step."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(writing, 2)
        os.closerange(3, 64)
        sys.argv = ["", *arguments]
        os._exit(program())
    os.close(writing)
    with open(reading, "rb") as lines:  # noqa: PTH123  # of a pipe
        for line in lines:
            if line.startswith(b"does") and line not in killed:
                killed.add(line)
                os.killpg(child, signal.SIGKILL)
                bury(child)
                sys.stdout.write(line.decode())
                sys.stdout.flush()
                return None
            sys.stderr.buffer.write(line)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def bury(group: int) -> None:
    """Wait until nobody of the group is left, no zombie either: useradd takes one for its lock's holder."""
    while True:
        try:
            os.killpg(group, 0)
            os.waitpid(-group, 0)
        except (ProcessLookupError, ChildProcessError):
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
