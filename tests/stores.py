"""Where the data of tests' clusters lies: in memory, where a machine has plenty of it.

A database is three hundred files, and a run makes many hundreds of databases. To make one took 15 ms of a
core in memory and 190 ms on a busy disk without a journal.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")  # noqa: S108 - each folder made in it is a new one of our own
PREFIX = "ponte-tests-"
ROOM_BYTES = 6 << 30
"""So much must be free, of that place and of the machine: a whole run has half of it at most."""


@contextmanager
def open_store(otherwise: Path) -> Iterator[Path]:
    """Have a folder that the servers' user can enter, for a block: in memory, or else the one given."""
    if not has_room():
        yield otherwise
        return
    _sweep()
    store = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY))
    store.chmod(0o755)
    try:
        yield store
    finally:
        shutil.rmtree(store, ignore_errors=True)


def has_room() -> bool:
    """Tell whether this machine keeps files in memory, and has enough of it for a whole run."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    return min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) >= ROOM_BYTES


def _sweep() -> None:
    """Give back what runs left that were killed."""
    for path in MEMORY.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)) and path.stat().st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)
