"""The whole list, which the PWA reads on every screen: only orders that changed are read again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter

from vps_readapi.memory.bodies import LARGE_BYTES, Body

ReadIds = Callable[[int], Awaitable[Sequence[int]]]
Load = Callable[[Sequence[int]], Awaitable[dict[int, Body]]]

CHUNK = 200


class TooManyError(Exception):
    """There is more than is kept; the list is then read from the database each time."""


class ForgottenError(Exception):
    """The rows were forgotten whenever they had been read; the list is read from the database this once."""


class Listing:
    """The orders' bodies in their order, and their join.

    read_ids: returns ids, at most as many as it is asked for.
    """

    def __init__(self, read_ids: ReadIds, *, max_orders: int, max_bytes: int = 2**40) -> None:
        self.lock = asyncio.Lock()
        self.bodies: dict[int, Body] = {}
        """The list as it is now, by what is hidden in it, while nothing changed since it was joined."""
        self._read_ids = read_ids
        self._max_orders = max_orders
        self._max_bytes = max_bytes
        self._rows: dict[int, Body] | None = None
        self._dirty: set[int] = set()
        self._life = 0

    @property
    def is_clean(self) -> bool:
        """Tell whether the rows are what was last known of the database."""
        return self._rows is not None and not self._dirty

    def mark(self, pedido_ids: Iterable[int]) -> None:
        """Take note of orders that changed."""
        self._dirty.update(pedido_ids)
        self.bodies = {}

    def forget(self) -> None:
        """Keep nothing."""
        self._rows, self.bodies = None, {}
        self._dirty = set()
        self._life += 1

    async def refresh(self, load: Load) -> None:
        """Read what changed, or everything the first time. Raise TooManyError if that is too much."""
        life, taken, held = self._life, self._dirty, self._rows
        self._dirty = set()
        try:
            if held is None:
                rows = await self._load_all(load)
            else:
                found = await load(sorted(taken)) if taken else {}
                rows = {key: body for key, body in held.items() if key not in taken} | found
        except BaseException:
            self._dirty |= taken
            raise
        if life == self._life:
            if len(rows) > self._max_orders or _count_bytes(rows.values()) > self._max_bytes:
                self.forget()
                raise TooManyError
            self._rows = rows

    async def join(self, hidden: int) -> Body:
        """Return the list as the rows are, without what is hidden, and keep it while they stay so.

        Raise ForgottenError if there are none: that is not the same as a shop without orders.
        """
        if self._rows is None:
            raise ForgottenError
        rows = sorted(self._rows.values(), key=attrgetter("key"))
        life = self._life
        large = _count_bytes(rows) > LARGE_BYTES
        body = await asyncio.to_thread(_join, rows, hidden) if large else _join(rows, hidden)
        if life == self._life and self.is_clean:
            self.bodies[hidden] = body
        return body

    async def _load_all(self, load: Load) -> dict[int, Body]:
        ids = await self._read_ids(self._max_orders + 1)
        if len(ids) > self._max_orders:
            raise TooManyError
        rows: dict[int, Body] = {}
        taken = 0
        for start in range(0, len(ids), CHUNK):
            some = await load(ids[start : start + CHUNK])
            taken += _count_bytes(some.values())
            if taken > self._max_bytes:
                raise TooManyError
            rows |= some
        return rows

    def measure(self) -> int:
        """Return the bytes of all that is kept."""
        rows = sum(row.size for row in self._rows.values()) if self._rows else 0
        return rows + sum(body.size for body in self.bodies.values())


def _count_bytes(rows: Iterable[Body]) -> int:
    return sum(len(row.identity) for row in rows)


def _join(given: Sequence[Body], hidden: int) -> Body:
    """Join the bodies. The tag is made of theirs: no order changes without its own."""
    rows = [row.view(hidden) for row in given]
    tag = blake2b(b"".join(row.etag for row in rows), digest_size=12).hexdigest()
    return Body(b"[" + b",".join([row.identity for row in rows]) + b"]", etag=f'W/"{tag}"'.encode())
