"""Sessions with a server that may be anybody's by now: each answer is bounded in bytes and in time.

libpq keeps an answer whole before anybody sees the first row of it, and has no bound of its own.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

if sys.platform != "win32":
    import fcntl
    import termios

MOST_BYTES = 16 * 1024 * 1024
"""Of one answer; what the watch asks for has some kilobytes."""
LONGEST_S = 10.0
"""For one answer; statements end by themselves after 2 s where the server is what it says."""
ENDLESS = f"answers without an end: more than {MOST_BYTES >> 20} MB, or for more than {LONGEST_S:.0f} s"
_RV = TypeVar("_RV")


class UnbelievableError(psycopg.OperationalError):
    """The server answers as none does; the text says how, after its name."""


@contextmanager
def believed() -> Iterator[None]:
    """Have what breaks on values that can't be, psycopg itself included, raised as an UnbelievableError."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise UnbelievableError(f"answers what can't be: {type(error).__name__}") from error


class BoundedConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed once an answer is too long."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for what the generator waits for, within the bounds. Raise UnbelievableError beyond."""
        return super().wait(self._bound(gen), *args, **kwargs)

    def _bound(self, gen: Generator[Any, Any, _RV]) -> Generator[Any, Any, _RV]:
        ends, arrived = monotonic() + LONGEST_S, 0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                arrived += _count_waiting(self.pgconn.socket) if ready else 0
                if arrived > MOST_BYTES or monotonic() > ends:
                    self.pgconn.finish()
                    raise UnbelievableError(ENDLESS)
                wanted = gen.send(ready)
        except StopIteration as done:
            result: _RV = done.value
            return result


def _count_waiting(socket: int) -> int:
    """Return how many bytes the system holds for us; on Windows time alone is the bound."""
    if sys.platform == "win32":
        return 0
    return int(struct.unpack("i", fcntl.ioctl(socket, termios.FIONREAD, bytes(4)))[0])
