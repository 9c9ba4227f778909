"""Checking passwords: bcrypt takes a core for about 0.2 s, and reads must not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from db.credentials import SealedPassword, check, with_cost
from vps_readapi.auth.courtesy import Courtesy

MAX_WAITING = 50
"""Logins that may queue; at 0.2 s each the last one waits 10 s."""
NOBODY = SealedPassword(salt="$2b$12$PonteNinguemPonteNingu", digest=bytes(32))
"""What no password opens: checked where there is nobody to check."""


class BusyError(Exception):
    """Too many logins wait already."""


class PasswordPool:
    """A few threads that let reads go first; bcrypt lets go of the interpreter while it works."""

    def __init__(self, *, concurrency: int) -> None:
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(concurrency, "password", initializer=self._begin)
        self._most = concurrency + MAX_WAITING
        self._held = 0

    @contextmanager
    def hold_place(self) -> Iterator[None]:
        """Keep a place in the queue for the length of a block. Raise BusyError if there is none."""
        if self._held >= self._most:
            raise BusyError
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    async def is_right(self, password: str, sealed: SealedPassword | None, key: bytes, *, cost: int) -> bool:
        """Tell whether the password is the sealed one; without one, in the time of that bcrypt cost."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._check, password, sealed, key, cost)

    def close(self) -> None:
        """Drop what waits and end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self._own.courtesy = Courtesy()

    def _check(self, password: str, sealed: SealedPassword | None, key: bytes, cost: int) -> bool:
        with self._own.courtesy.last_in_line():
            return check_or_pretend(password, sealed, key, cost)


def check_or_pretend(password: str, sealed: SealedPassword | None, key: bytes, cost: int) -> bool:
    """Check in the time that it always takes, also where there is nothing to check."""
    try:
        if sealed is not None:
            return check(password, sealed, key)
    except ValueError:  # a salt that bcrypt can't read
        pass
    check(password, SealedPassword(with_cost(NOBODY.salt, cost), NOBODY.digest), key)
    return False
