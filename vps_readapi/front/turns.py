"""Whole lists are sent one at a time to each user, and few at a time at all: each holds megabytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vps_readapi.errors import DETAILS, ProblemError

MAX_LISTS = 16
WAIT_S = 10.0
RETRY = {"Retry-After": "2"}


class Turns:
    """Who is being sent a whole list."""

    def __init__(self, most: int = MAX_LISTS, *, wait_s: float = WAIT_S) -> None:
        self._most = most
        self._wait_s = wait_s
        self._users: set[int] = set()
        self._waiting: list[asyncio.Future[None]] = []

    def begin(self, user_id: int) -> bool:
        """Take a turn; tell whether there was one."""
        if user_id in self._users or len(self._users) >= self._most:
            return False
        self._users.add(user_id)
        return True

    def end(self, user_id: int) -> None:
        """Give it back, and let those look who wait."""
        self._users.discard(user_id)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    @asynccontextmanager
    async def hold(self, user_id: int) -> AsyncIterator[None]:
        """Have a turn for the length of a block.

        Raise ProblemError: 429 if the user has another list under way for long, 503 if too many have.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait_s
        while not self.begin(user_id):
            left = until - loop.time()
            if left <= 0:
                status = 429 if user_id in self._users else 503
                raise ProblemError(status, DETAILS[status], RETRY)
            ended = loop.create_future()
            self._waiting.append(ended)
            await asyncio.wait([ended], timeout=left)
        try:
            yield
        finally:
            self.end(user_id)
