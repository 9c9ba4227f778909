"""Orders that are being read, each once for all who want it, and many with one statement.

What became known of an order while it was read does no harm if the snapshot that it was read in shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from vps_readapi.memory.bodies import Body

Load = Callable[[Sequence[int]], Awaitable[dict[int, Body]]]
Keep = Callable[[int, Body], None]

MAX_TOGETHER = 32
"""Orders that are read with one statement."""
READERS = 2
"""Statements under way at a time: the database works on one while the other's orders are rendered."""


@dataclass(eq=False)
class Reading:
    """An order that waits to be read, or is."""

    pedido_id: int
    done: asyncio.Future[Body | None]
    has_begun: bool = False
    changes: list[int] = field(default_factory=list)
    """Transactions that changed it and became known since it began."""
    is_stale: bool = False
    """Whether something became known of it, and not by which transaction."""


class Readings:
    """Reads orders; `keep` takes those that are still what is known when they have been read."""

    def __init__(self, load: Load, keep: Keep) -> None:
        self._load = load
        self._keep = keep
        self._under_way: dict[int, Reading] = {}
        self._queue: list[Reading] = []
        self._readers: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Return how many orders wait to be read."""
        return len(self._queue)

    async def read(self, pedido_id: int) -> Body | None:
        """Return an order that shows all that is known now, None if there is none; raise what `load` does."""
        while True:
            reading = self.begin(pedido_id)
            known = tuple(reading.changes)
            found = await asyncio.shield(reading.done)
            if not known or (found is not None and found.shows(known)):
                return found

    def begin(self, pedido_id: int) -> Reading:
        """Have an order read, unless it is under way in a form that may serve."""
        reading = self._under_way.get(pedido_id)
        if reading is None or reading.is_stale:
            reading = Reading(pedido_id, asyncio.get_running_loop().create_future())
            self._under_way[pedido_id] = reading
            self._queue.append(reading)
            if len(self._readers) < READERS:
                reader = asyncio.create_task(self._read_queue())
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
        return reading

    def note(self, pedido_id: int, transactions: Collection[int]) -> None:
        """Take note of a change, by transactions that became visible; by none if they aren't known."""
        reading = self._under_way.get(pedido_id)
        if reading is not None and reading.has_begun:
            reading.changes.extend(transactions)
            reading.is_stale = reading.is_stale or not transactions

    def forget(self) -> None:
        """Keep nothing of what is being read."""
        for reading in self._under_way.values():
            reading.is_stale = reading.has_begun

    async def _read_queue(self) -> None:
        """Read what waits, many at a time: what comes meanwhile is the next time's."""
        while self._queue:
            taken, self._queue = self._queue[:MAX_TOGETHER], self._queue[MAX_TOGETHER:]
            for one in taken:
                one.has_begun = True
            try:
                bodies = await self._load([one.pedido_id for one in taken])
            except Exception as error:  # noqa: BLE001  # each who waits is told
                for one in taken:
                    self._finish(one, error)
            else:
                for one in taken:
                    self._finish(one, bodies.get(one.pedido_id))

    def _finish(self, reading: Reading, found: Body | Exception | None) -> None:
        if self._under_way.get(reading.pedido_id) is reading:
            del self._under_way[reading.pedido_id]
        if isinstance(found, Exception):
            reading.done.set_exception(found)
            reading.done.exception()  # looked at: perhaps nobody waits any more
            return
        if found is not None and not reading.is_stale and found.shows(reading.changes):
            self._keep(reading.pedido_id, found)
        reading.done.set_result(found)
