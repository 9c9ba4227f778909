"""Be in another network namespace for a while: this thread alone, and what it starts."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMED = Path("/run/netns")
CLONE_NEWNET = 0x40000000


@contextmanager
def enter_namespace(name: str) -> Iterator[None]:
    """Be there for the length of a block. Raise OSError if that is not allowed."""
    with Path("/proc/thread-self/ns/net").open() as home, (NAMED / name).open() as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(home.fileno())


def _set_namespace(handle: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(handle, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
