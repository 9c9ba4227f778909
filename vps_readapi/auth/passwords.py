"""Checking passwords: bcrypt takes a core for about 0.2 s, and reads must not wait for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from db.credentials import SealedPassword, check, with_cost

NOBODY = SealedPassword(salt="$2b$12$PonteNinguemPonteNingu", digest=bytes(32))
"""What no password opens: checked where there is nobody to check."""


class PasswordPool:
    """A few threads; bcrypt lets go of the interpreter while it works."""

    def __init__(self, *, concurrency: int) -> None:
        self._threads = ThreadPoolExecutor(concurrency, "password")

    async def is_right(self, password: str, sealed: SealedPassword | None, key: bytes, *, cost: int) -> bool:
        """Tell whether the password is the sealed one; without one, in the time of that bcrypt cost."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, check_or_pretend, password, sealed, key, cost)

    def close(self) -> None:
        """Drop what waits and end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def check_or_pretend(password: str, sealed: SealedPassword | None, key: bytes, cost: int) -> bool:
    """Check in the time that it always takes, also where there is nothing to check."""
    try:
        if sealed is not None:
            return check(password, sealed, key)
    except ValueError:  # a salt that bcrypt can't read
        pass
    check(password, SealedPassword(with_cost(NOBODY.salt, cost), NOBODY.digest), key)
    return False
