"""Asks PostgreSQL's servers to stop when whoever started them is gone without having done so.

They are not killed with their parent as other processes are (`db.lifetime`): one that is has to recover. So a
process that starts servers tells them to a keeper, `python -m infra.devstack.keeper`, that it has; the keeper
sees on its standard input when that process is gone, whatever ended it, stops what is left, and ends.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from infra.devstack.postgres import find_server_user, run_tool
from infra.devstack.state import own_group

FAST_S = 20
"""How long servers may take to end in good order: subscribers that are gone hold them back."""

_telling = threading.Lock()


def keep(data_dir: Path, bindir: Path) -> None:
    """Have a server stopped when this process is gone."""
    _tell({"keep": str(data_dir), "bindir": str(bindir)})


def forget(data_dir: Path) -> None:
    """Leave a server to whoever has it from now on."""
    if _keeper.cache_info().currsize:
        _tell({"forget": str(data_dir)})


def main(told: Iterable[bytes]) -> None:
    """Listen until the other end is gone, then stop what is kept: all are asked before any is waited for."""
    kept: dict[str, str] = {}
    for line in told:
        match json.loads(line):
            case {"keep": data_dir, "bindir": bindir}:
                kept[data_dir] = bindir
            case {"forget": data_dir}:
                kept.pop(data_dir, None)
    for how in (["-m", "fast", "-W"], ["-m", "fast", "-t", str(FAST_S)], ["-m", "immediate"]):
        for data_dir, bindir in kept.items():
            if Path(data_dir, "postmaster.pid").exists():
                _stop(Path(data_dir), Path(bindir), how)


def _stop(data_dir: Path, bindir: Path, how: list[str]) -> None:
    command = ["stop", "-s", "-D", str(data_dir), *how]
    run_tool(bindir, "pg_ctl", *command, user=find_server_user(), cwd=data_dir.parent)


def _tell(what: dict[str, str]) -> None:
    with _telling, contextlib.suppress(BrokenPipeError):  # somebody killed the keeper, which is their matter
        listening = _keeper().stdin
        assert listening is not None  # noqa: S101  # it is a pipe
        if listening.closed:  # at the process's end it was let go, and has stopped what it kept
            return
        listening.write(json.dumps(what).encode() + b"\n")
        listening.flush()


@functools.cache
def _keeper() -> subprocess.Popen[bytes]:
    """Start this process's keeper, in a session of its own, so that no Ctrl-C and no hang-up reaches it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "infra.devstack.keeper"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **own_group(),
    )
    atexit.register(_let_go, child)
    return child


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Let the keeper stop what is left, and end before this process does."""
    assert child.stdin is not None  # noqa: S101  # it is a pipe
    with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
        child.stdin.close()
        child.wait(FAST_S)


if __name__ == "__main__":
    main(sys.stdin.buffer)
