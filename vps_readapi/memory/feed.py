"""One connection to the database that says, for all requests of the process, what changed.

Who wants to answer from memory asks `confirm`: it calls back when the database has said, after the
question, that everything visible there is known here. Questions that come while one is under way share
the next, so under load the price of a round trip is paid by many. PostgreSQL's notifications only make
the feed look sooner: one that comes late, or never, costs no truth.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import psycopg

from vps_readapi.losses import Losses
from vps_readapi.memory.connection import (
    Connection,
    FeedConnection,
    FeedLostError,
    begin,
    open_connection,
    read_people,
    read_snapshot,
)
from vps_readapi.memory.notice import Told, find_untold
from vps_readapi.memory.sql import Changes, forget_since, read_xmin
from vps_readapi.memory.stages import ASKED, Owed, Stage
from vps_readapi.memory.waiting import Confirmed, Waiting

ANSWER_TIMEOUT_S = 2.0
"""How long a request waits for the database, reconnecting included, before it is told to come back."""
RETRY_S = 0.1
MAX_RETRY_S = 2.0
TICK_S = 0.25
MAX_GATHERING = 16
"""Turns of the loop, each some microseconds, that a question may wait for others to join it."""
LIFE_TICKS = 8
"""After so many a connection is asked whether it still lives."""


class Feed:
    """Asks the database what changed; `apply` takes the changes, `flush` forgets everything."""

    def __init__(
        self,
        conninfo: str,
        *,
        apply: Callable[[Changes], None],
        replace_people: Callable[[Mapping[str, Any] | None], None],
        flush: Callable[[], None],
        name: Callable[[Collection[int]], None],
    ) -> None:
        """name: takes orders that have changed, before it is known what else has."""
        self._conninfo = conninfo
        self._losses = Losses("feed", conninfo, source="PONTE_API_DSN")
        self._apply = apply
        self._replace_people = replace_people
        self._flush = flush
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(self._loop)
        self._stage = Stage.AWAY
        self._owed = Owed.NOTHING
        self._told: frozenset[Told] = frozenset()
        self._connection: FeedConnection | None = None
        self._asked_at = 0.0
        self._away_since = float("-inf")
        self.snapshot = ""
        self.epoch = ""
        self.horizon = 0

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection."""
        return self._stage is not Stage.AWAY

    @property
    def xmin(self) -> int:
        """Return the number from which on changes may still be unknown to a client that knows all of this."""
        return read_xmin(self.snapshot) if self.snapshot else 0

    def confirm(self, done: Confirmed) -> None:
        """Call `done(True)` when all that was visible before this call is known; False if it can't be."""
        if self._stage is Stage.AWAY and self._loop.time() - self._away_since > ANSWER_TIMEOUT_S:
            self._loop.call_soon(done, False)
            return
        self._waiting.join(done)
        if self._stage is Stage.IDLE:
            self._gather_soon()

    async def confirmed(self) -> bool:
        """Wait for `confirm`."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self.confirm(lambda known: None if future.done() else future.set_result(known))
        return await future

    # ------------------------------------------------------------------ a connection's life

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        self._away_since = self._loop.time()
        ticking = asyncio.create_task(self._tick())
        pause_s = RETRY_S
        try:
            while True:
                try:
                    await self._serve_connection()
                except (psycopg.Error, OSError, TimeoutError, FeedLostError, ValueError) as error:
                    self._losses.lost(error)
                except Exception as error:  # noqa: BLE001  # one that ended would never learn of a change again
                    self._losses.tripped(error)
                lived = self._loop.time() - self._away_since < ANSWER_TIMEOUT_S
                pause_s = RETRY_S if lived else min(2 * pause_s, MAX_RETRY_S)
                await asyncio.sleep(pause_s)
        finally:
            ticking.cancel()

    async def _serve_connection(self) -> None:
        connection = await open_connection(self._conninfo)
        try:
            await asyncio.wait_for(self._prepare(connection), ANSWER_TIMEOUT_S * 2)
            self._connection = heard = FeedConnection(connection.pgconn, self._hear)
            self._losses.back()
            self._ask()
            raise await heard.wait_lost()
        finally:
            self._lose()
            await connection.close()

    async def _prepare(self, connection: Connection) -> None:
        life = await begin(connection)
        if life.epoch != self.epoch or self.xmin < life.horizon or not self.snapshot:
            await self._start_over(connection)
        elif Owed.PEOPLE in self._owed:
            self._take_people(await read_people(connection))
        self.epoch, self.horizon = life.epoch, life.horizon

    async def _start_over(self, connection: Connection) -> None:
        """Remember nothing; the snapshot comes first, so what changes meanwhile is seen as a change."""
        self._flush()
        self._owed |= Owed.ORDERS
        snapshot = await read_snapshot(connection)
        self._take_people(await read_people(connection))
        self.snapshot = forget_since(snapshot)

    async def _tick(self) -> None:
        """Let nobody wait for ever, and see whether a quiet connection still lives."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            if self._stage in ASKED and self._loop.time() - self._asked_at > ANSWER_TIMEOUT_S:
                self._waiting.end(False)
                self._lose(TimeoutError())
            self._waiting.give_up_late(ANSWER_TIMEOUT_S)
            if ticks % LIFE_TICKS == 0 and self._stage is not Stage.AWAY:
                self.confirm(_ignore)

    def _lose(self, why: Exception | None = None) -> None:
        """Have the connection end, and hear no more of it."""
        if self._connection is not None:
            self._connection.lose(why)
            self._connection = None
            self._away_since = self._loop.time()
        self._stage = Stage.AWAY
        self._told = frozenset()
        self._waiting.ask_again()

    # ------------------------------------------------------------------ asking

    def _gather_soon(self) -> None:
        self._stage = Stage.GATHERING
        self._loop.call_soon(self._gather, len(self._waiting), 0)

    def _gather(self, seen: int, rounds: int) -> None:
        """Ask once a turn of the loop brought no further question: one answer then serves them all."""
        if self._stage is not Stage.GATHERING:  # asked already, or lost
            return
        waiting = len(self._waiting)
        if rounds < MAX_GATHERING and (rounds == 0 or waiting > seen):
            self._loop.call_soon(self._gather, waiting, rounds + 1)
        else:
            self._ask()

    def _ask(self) -> None:
        self._waiting.begin()
        self._send(Stage.ASKING, b"ponte_confirm", self.snapshot.encode())

    def _send(self, stage: Stage, name: bytes, *parameters: bytes) -> None:
        if self._connection is None:
            return
        self._stage, self._asked_at = stage, self._loop.time()
        try:
            self._connection.ask(name, *parameters)
        except psycopg.Error as error:
            self._lose(error)

    # ------------------------------------------------------------------ hearing

    def _hear(self) -> None:
        """Take what has arrived: answers, then notifications."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.read()
            while self._stage in ASKED and (row := connection.take_answer()) is not None:
                self._take(row)
            notices = connection.take_notices()
        except (psycopg.Error, FeedLostError, ValueError) as error:
            self._lose(error)
            return
        if notices:
            self._look_soon(notices)

    def _look_soon(self, notices: Collection[Told | None]) -> None:
        """Ask what changed, without anybody's request."""
        named = self._name_at_once(notices)
        self._waiting.join(_ignore)
        if self._stage in ASKED:
            return  # the next question is due as soon as this one is answered
        if named:  # streams are served first: who answers takes our core
            self._gather_soon()
        else:
            self._ask()  # no question is worth waiting for while streams wait for the answer

    def _name_at_once(self, notices: Collection[Told | None]) -> bool:
        """Tell of orders that are named, unless something is under way that must be known before.

        The question that follows finds them in the log, where they then count as told.
        """
        if self._stage is not Stage.IDLE or self._owed:
            return False
        self._told = find_untold(notices, self.snapshot)
        if self._told:
            self._name(sorted({pedido_id for pedido_id, _ in self._told}))
        return bool(self._told)

    def _take(self, row: list[bytes | None]) -> None:
        """Take one answer: what changed, or who may read."""
        if self._stage is Stage.ASKING_PEOPLE:
            self._take_people(json.loads(row[0] or b"null"))
        else:
            self._take_changes(*row)
        if Owed.PEOPLE in self._owed:
            self._send(Stage.ASKING_PEOPLE, b"ponte_people")
        else:
            self._finish()

    def _take_people(self, found: object) -> None:
        self._replace_people(found if isinstance(found, dict) else None)
        self._owed &= ~Owed.PEOPLE

    def _take_changes(self, snapshot: bytes | None, changed: bytes | None) -> None:
        told, self._told = self._told, frozenset()
        if changed is None or snapshot is None:
            return
        changes = Changes.read(json.loads(changed), told)
        if Owed.ORDERS in self._owed:
            changes = replace(changes, pedidos=None)
            self._owed &= ~Owed.ORDERS
        self.snapshot = snapshot.decode()
        if changes.sessoes:
            self._owed |= Owed.PEOPLE
        self._apply(changes)

    def _finish(self) -> None:
        self._stage = Stage.IDLE
        self._waiting.end(True)
        if self._waiting and self._stage is Stage.IDLE:
            self._gather_soon()


def _ignore(_: bool) -> None:
    """Take a confirmation that nobody waits for."""
