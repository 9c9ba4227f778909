"""The memory of one process: bodies, users and the clock, always as of one snapshot of the database.

A body is here only if no change of its order became visible after it was read, and an answer is given
only after the feed has confirmed that, after the question. See docs/adr/0004.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from vps_readapi.memory.bodies import Body
from vps_readapi.memory.clock import FreshnessClock
from vps_readapi.memory.feed import Feed
from vps_readapi.memory.listing import ForgottenError, Listing, TooManyError
from vps_readapi.memory.people import People, Person
from vps_readapi.memory.readings import MAX_TOGETHER, Load, Readings
from vps_readapi.memory.sql import Changes, Clock
from vps_readapi.memory.wanted import LIST, Wanted

Observer = Callable[[Changes], None]

MAX_TRIES = 5
"""How often the list is read again because something changed meanwhile; then its rows may differ in age."""


@dataclass
class Answers:
    """How reads of one order and of the list were answered, since the process began."""

    kept: int = 0
    """By a body that was there."""
    read: int = 0
    """By one that had to be read from the database, or joined anew."""
    absent: int = 0
    """By none: there is no such order, or the list is longer than what is kept."""


class Memory:
    """Answers from memory what it can, and loads what it may keep."""

    def __init__(
        self,
        conninfo: str,
        *,
        people: People,
        load: Load,
        listing: Listing,
        budget_bytes: int,
    ) -> None:
        self.people = people
        self.clock = FreshnessClock()
        self.answers = Answers()
        self.read_ahead = 0
        """How many orders were read again before anybody asked for them again."""
        self.observers: list[Observer] = []
        self.early_observers: list[Callable[[Collection[int]], None]] = []
        """Called with orders that have changed, before it is known what else has."""
        self.people_observers: list[Callable[[], None]] = []
        """Called when somebody's session may have ended."""
        self._load = load
        self._listing = listing
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._bodies: OrderedDict[int, Body] = OrderedDict()
        self._readings = Readings(load, self._keep)
        self.feed = Feed(
            conninfo,
            apply=self._apply,
            replace_people=self._replace_people,
            flush=self._forget_everything,
            name=self._name,
        )

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[None]:
        """Follow the database for the length of a block."""
        task = asyncio.create_task(self.feed.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def held(self) -> tuple[int, int]:
        """Return how many single orders are kept, and their bytes in all codings."""
        return len(self._bodies), self._held_bytes

    @property
    def list_bytes(self) -> int:
        """Return what the whole list takes, with its rows."""
        return self._listing.measure()

    # ------------------------------------------------------------------ answering, once confirmed

    def admit(self, wanted: Wanted) -> Person | None:
        """Return who asks; None unless his session goes on and the data is as fresh as he demands."""
        if wanted.max_age_s is not None and self.clock.is_older_than(wanted.max_age_s):
            return None
        return self.people.find(wanted.token)

    def recall(self, wanted: Wanted, hidden: int) -> Body | None:
        """Return what answers it, if it is there; hidden: what the asker does not see."""
        if wanted.target == LIST:
            return self._listing.bodies.get(hidden)
        body = self._bodies.get(wanted.target)
        if body is None:
            return None
        body.was_asked = True
        return body.view(hidden) if hidden else body

    def holds(self, pedido_id: int) -> bool:
        """Tell whether an order is kept, as far as is known."""
        return pedido_id in self._bodies

    def foresee(self, pedido_id: int) -> None:
        """Begin to read an order that will be asked for."""
        self._readings.begin(pedido_id)

    async def read(self, wanted: Wanted, hidden: int) -> Body | None:
        """Return what answers it, loading it if need be; None if it can't be kept, or there is none."""
        kept = self.recall(wanted, hidden) is not None
        body = await self._read(wanted, hidden)
        if body is None:
            self.answers.absent += 1
        elif kept:
            self.answers.kept += 1
        else:
            self.answers.read += 1
        return body

    async def _read(self, wanted: Wanted, hidden: int) -> Body | None:
        try:
            body = await (self._read_list(hidden) if wanted.target == LIST else self._read_one(wanted.target))
        except (TooManyError, ForgottenError):
            return None
        if body is not None and wanted.target != LIST:
            body = body.view(hidden)
        if body is not None and not body.is_ready(body.choose(wanted.coding)):
            coding = body.choose(wanted.coding)
            body.take(coding, await asyncio.to_thread(body.pack, coding))
        return body

    async def _read_one(self, pedido_id: int) -> Body | None:
        body = self._bodies.get(pedido_id)
        if body is not None:
            self._bodies.move_to_end(pedido_id)
            return body
        body = await self._readings.read(pedido_id)
        if body is not None:
            body.was_asked = True
        return body

    async def _read_list(self, hidden: int) -> Body:
        """Return the whole list: one state of the database, not older than the last confirmation."""
        listing = self._listing
        async with listing.lock:
            for _ in range(MAX_TRIES):
                if hidden in listing.bodies:
                    return listing.bodies[hidden]
                # Perhaps it was joined for others only, who see more or less.
                if listing.is_clean and await self.feed.confirmed() and listing.is_clean:
                    break
                await listing.refresh(self._load)
                # What was read is one state only if nothing became visible while it was.
                if await self.feed.confirmed() and listing.is_clean:
                    break
            return await listing.join(hidden)

    # ------------------------------------------------------------------ keeping in step

    def _apply(self, changes: Changes) -> None:
        self.clock.take(changes.clock, self._cursor())
        if changes.pedidos is None:
            self._forget_orders()
        else:
            self._take_changes(changes.pedidos, changes.transactions)
            if changes.pedidos:
                self._listing.mark(changes.pedidos)
        for observe in self.observers:
            observe(changes)

    def _take_changes(self, pedidos: Collection[int], transactions: Mapping[int, Sequence[int]]) -> None:
        """Let go of bodies that don't show what changed; have those read again that somebody looks at."""
        outdated = [one for one in pedidos if not self._shows(one, transactions.get(one, ()))]
        self._read_ahead(outdated)
        for pedido_id in outdated:
            self._drop(pedido_id)
        for pedido_id in pedidos:
            self._readings.note(pedido_id, transactions.get(pedido_id, ()))

    def _shows(self, pedido_id: int, transactions: Sequence[int]) -> bool:
        """Tell whether an order is kept as some transactions, if they are known, have left it."""
        body = self._bodies.get(pedido_id)
        return body is not None and bool(transactions) and body.shows(transactions)

    def _read_ahead(self, pedidos: Collection[int]) -> None:
        """Have orders read again that somebody has asked for since they were read, unless they are many.

        Who looks at an order asks for it again when he hears of its change: once for each look.
        """
        if len(pedidos) > MAX_TOGETHER:
            return
        for pedido_id in pedidos:
            body = self._bodies.get(pedido_id)
            if body is not None and body.was_asked and self._readings.waiting < MAX_TOGETHER:
                body.was_asked = False
                self._readings.begin(pedido_id)
                self.read_ahead += 1

    def _name(self, pedidos: Collection[int]) -> None:
        for observe in self.early_observers:
            observe(pedidos)
        self._read_ahead(pedidos)

    def _cursor(self) -> str:
        return f"{self.epoch}.{self.feed.xmin}" if self.feed.snapshot else ""

    @property
    def epoch(self) -> str:
        """Return the short name of this database's life: a cursor of another can't be continued."""
        return blake2b(self.feed.epoch.encode(), digest_size=6).hexdigest()

    def _replace_people(self, found: Mapping[str, Any] | None) -> None:
        self.people.replace(found)
        for observe in self.people_observers:
            observe()

    def _forget_everything(self) -> None:
        self.people.replace(None)
        self.clock.take(Clock(), "")
        self._forget_orders()

    def _forget_orders(self) -> None:
        self._readings.forget()
        for body in self._bodies.values():
            body.watch = None
        self._bodies.clear()
        self._held_bytes = 0
        self._listing.forget()

    def _drop(self, pedido_id: int) -> None:
        body = self._bodies.pop(pedido_id, None)
        if body is not None:
            self._let_go(body)

    def _keep(self, pedido_id: int, body: Body) -> None:
        self._drop(pedido_id)
        self._bodies[pedido_id] = body
        body.watch = self._grow
        self._grow(body.size)

    def _grow(self, by: int) -> None:
        """Count what is held, and forget the longest unused where that is too much."""
        self._held_bytes += by
        while self._held_bytes > self._budget_bytes and len(self._bodies) > 1:
            self._let_go(self._bodies.popitem(last=False)[1])

    def _let_go(self, body: Body) -> None:
        body.watch = None
        self._held_bytes -= body.size
