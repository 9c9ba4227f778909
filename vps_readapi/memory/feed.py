"""One session with the database that says, for all requests of the process, what changed.

Who wants to answer from memory asks `confirm`: it calls back when the database has said, after the
question, that everything visible there is known here. Questions that come while one is under way share
the next, so under load the price of a round trip is paid by many. PostgreSQL's notifications only make
the feed look sooner: one that comes late, or never, costs no truth.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq

from vps_readapi.losses import Losses
from vps_readapi.memory.connection import (
    FeedLostError,
    Session,
    begin,
    open_session,
    read_people,
    read_snapshot,
)
from vps_readapi.memory.notice import Told, is_visible, read_notice
from vps_readapi.memory.sql import Changes, forget_since, read_xmin

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

ANSWER_TIMEOUT_S = 2.0
"""How long a request waits for the database, reconnecting included, before it is told to come back."""
RETRY_S = 0.1
MAX_RETRY_S = 2.0
TICK_S = 0.25
MAX_GATHERING = 16
"""Turns of the loop, each some microseconds, that a question may wait for others to join it."""
LIFE_TICKS = 8
"""After so many a session is asked whether it still lives."""

Confirmed = Callable[[bool], None]


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
        self._told: frozenset[Told] = frozenset()
        self._waiting: list[Confirmed] = []
        self._asked: list[Confirmed] = []
        self._pgconn: PGconn | None = None
        self._descriptor: int | None = None
        self._busy = False
        self._scheduled = False
        self._asked_since = 0.0
        self._waiting_since = 0.0
        self._down_since = float("-inf")
        self._people_due = False
        self._begins_again = False
        self._lost = asyncio.Event()
        self._why: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self.snapshot = ""
        self.epoch = ""
        self.horizon = 0

    @property
    def connected(self) -> bool:
        """Tell whether there is a session."""
        return self._pgconn is not None

    @property
    def xmin(self) -> int:
        """Return the number from which on changes may still be unknown to a client that knows all of this."""
        return read_xmin(self.snapshot) if self.snapshot else 0

    def confirm(self, done: Confirmed) -> None:
        """Call `done(True)` when all that was visible before this call is known; False if it can't be."""
        if not self._waiting:
            self._waiting_since = self._loop.time()
            if self._pgconn is None and self._waiting_since - self._down_since > ANSWER_TIMEOUT_S:
                self._loop.call_soon(done, False)
                return
        self._waiting.append(done)
        if not self._busy and not self._scheduled and self._pgconn is not None:
            self._scheduled = True
            self._loop.call_soon(self._gather, len(self._waiting), 0)

    async def confirmed(self) -> bool:
        """Wait for `confirm`."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self.confirm(lambda known: None if future.done() else future.set_result(known))
        return await future

    async def run(self) -> None:
        """Keep a session until cancelled."""
        self._down_since = self._loop.time()
        ticking = asyncio.create_task(self._tick())
        pause_s = RETRY_S
        try:
            while True:
                try:
                    await self._serve_session()
                except (psycopg.Error, OSError, TimeoutError, FeedLostError, ValueError) as error:
                    self._losses.lost(error)
                lived = self._loop.time() - self._down_since < ANSWER_TIMEOUT_S
                pause_s = RETRY_S if lived else min(2 * pause_s, MAX_RETRY_S)
                await asyncio.sleep(pause_s)
        finally:
            ticking.cancel()

    async def _serve_session(self) -> None:
        connection = await open_session(self._conninfo)
        try:
            await asyncio.wait_for(self._prepare(connection), ANSWER_TIMEOUT_S * 2)
            connection.pgconn.nonblocking = 1
            self._pgconn = connection.pgconn
            self._lost.clear()
            self._descriptor = connection.pgconn.socket
            self._loop.add_reader(self._descriptor, self._read)
            self._losses.back()
            self._ask()
            await self._lost.wait()
            raise self._why or FeedLostError("the session ended")
        finally:
            if self._pgconn is not None:
                self._pgconn = None
                self._down_since = self._loop.time()
            self._stop_reading()
            self._busy = False
            self._scheduled = False
            self._told = frozenset()
            self._waiting, self._asked = self._asked + self._waiting, []
            self._waiting_since = self._loop.time()
            await connection.close()

    async def _prepare(self, session: Session) -> None:
        life = await begin(session)
        if life.epoch != self.epoch or self.xmin < life.horizon or not self.snapshot:
            await self._start_over(session)
        elif self._people_due:
            self._take_people(await read_people(session))
        self.epoch, self.horizon = life.epoch, life.horizon

    async def _start_over(self, session: Session) -> None:
        """Remember nothing; the snapshot comes first, so what changes meanwhile is seen as a change.

        What changed before can't be told, so the next answer counts as a change of every order.
        """
        self._flush()
        self._begins_again = True
        snapshot = await read_snapshot(session)
        self._take_people(await read_people(session))
        self.snapshot = forget_since(snapshot)

    def _take_people(self, found: object) -> None:
        self._replace_people(found if isinstance(found, dict) else None)
        self._people_due = False

    async def _tick(self) -> None:
        """Let nobody wait for ever, and see whether a quiet session still lives."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            now = self._loop.time()
            if self._busy and now - self._asked_since > ANSWER_TIMEOUT_S:
                self._fail(self._asked)
                self._lose(TimeoutError())
            if self._waiting and now - self._waiting_since > ANSWER_TIMEOUT_S:
                self._fail(self._waiting)
            if ticks % LIFE_TICKS == 0 and self._pgconn is not None:
                self.confirm(_ignore)

    def _fail(self, waiting: list[Confirmed]) -> None:
        late = waiting.copy()
        waiting.clear()
        self._tell(late, False)

    def _tell(self, waiting: list[Confirmed], known: bool) -> None:
        for done in waiting:
            try:
                done(known)
            except Exception as error:  # noqa: BLE001  # the others must not wait for ever
                context = {"message": "a confirmation was not taken", "exception": error}
                self._loop.call_exception_handler(context)

    def _gather(self, seen: int, rounds: int) -> None:
        """Ask once a turn of the loop brought no further question: one answer then serves them all."""
        waiting = len(self._waiting)
        if rounds < MAX_GATHERING and (rounds == 0 or waiting > seen):
            self._loop.call_soon(self._gather, waiting, rounds + 1)
            return
        self._scheduled = False
        self._ask()

    def _ask(self) -> None:
        if self._busy or self._pgconn is None:
            return
        self._busy = True
        self._asked, self._waiting = self._waiting, []
        self._send(b"ponte_confirm", [self.snapshot.encode()])

    def _send(self, name: bytes, parameters: list[bytes | None]) -> None:
        if self._pgconn is None:
            return
        try:
            self._asked_since = self._loop.time()
            self._pgconn.send_query_prepared(name, parameters)
            self._pgconn.flush()
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        pgconn = self._pgconn
        if pgconn is None:
            return
        try:
            pgconn.consume_input()
            while self._busy and not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    break
                self._take(result)
            notices = []
            while (notice := pgconn.notifies()) is not None:  # after the results: libpq reads only to one
                notices.append(read_notice(notice.extra))
            if pgconn.status != pq.ConnStatus.OK:
                raise FeedLostError
        except (psycopg.Error, FeedLostError, ValueError) as error:
            self._lose(error)
            return
        if notices:
            named = self._name_at_once(notices)
            self._waiting_since = self._waiting_since if self._waiting else self._loop.time()
            self._waiting.append(_ignore)
            if named and not self._scheduled:  # streams are served first: who answers takes our core
                self._scheduled = True
                self._loop.call_soon(self._gather, len(self._waiting), 0)
            else:
                self._ask()  # at once: no question is worth waiting for while streams wait for the answer

    def _name_at_once(self, notices: Sequence[Told | None]) -> bool:
        """Tell of orders that are named, unless something is under way that must be known before.

        The question that follows finds them in the log, where they then count as told.
        """
        named = {one for one in notices if one is not None}
        unknown = self._busy or self._waiting or self._begins_again or self._people_due
        if unknown or len(named) < len(set(notices)):
            return False
        # A question that was asked between the commit and its notification has told of it already.
        self._told = frozenset(one for one in named if not is_visible(one[1], self.snapshot))
        if self._told:
            self._name(sorted({pedido_id for pedido_id, _ in self._told}))
        return bool(self._told)

    def _take(self, result: pq.abc.PGresult) -> None:
        """Take one answer: what changed, or who may read."""
        if result.status != pq.ExecStatus.TUPLES_OK or self._pgconn is None:
            raise FeedLostError
        while self._pgconn.get_result() is not None:  # ends the command
            pass
        if result.nfields == 1:
            self._take_people(json.loads(result.get_value(0, 0) or b"null"))
            self._finish()
            return
        snapshot, changed = result.get_value(0, 0), result.get_value(0, 1)
        told, self._told = self._told, frozenset()
        if changed is not None and snapshot is not None:
            changes = Changes.read(json.loads(changed), told)
            if self._begins_again:
                changes, self._begins_again = replace(changes, pedidos=None), False
            self.snapshot = snapshot.decode()
            self._people_due |= changes.sessoes
            self._apply(changes)
        if self._people_due:
            self._send(b"ponte_people", [])
        else:
            self._finish()

    def _finish(self) -> None:
        self._busy = False
        asked, self._asked = self._asked, []
        self._tell(asked, True)
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._gather, len(self._waiting), 0)

    def _lose(self, why: Exception | None = None) -> None:
        """Have the session end, and hear no more of it."""
        self._why = why
        self._lost.set()
        self._stop_reading()

    def _stop_reading(self) -> None:
        """Take the reader away, once: the socket may be closed by now, and its number another's."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None


def _ignore(_: bool) -> None:
    """Take a confirmation that nobody waits for."""
