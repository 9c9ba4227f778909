"""The short way: a request that was read before is answered without being read again.

Whole requests that arrive while a connection is at rest are looked up by their bytes, and an order that is
not in memory is waited for. What has no such answer takes the long way, through the server's parser and the
application, which begin with what was found out here.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from vps_readapi.front.answer import is_unchanged, write_answer
from vps_readapi.front.bounded import BoundedProtocol
from vps_readapi.front.once import CONFIRMED, READ, Read
from vps_readapi.front.request import Requests
from vps_readapi.front.turns import Turns
from vps_readapi.limits import IS_COUNTED, Limits
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.wanted import LIST, Wanted

MAX_HELD_BACK_BYTES = 64 * 1024
_DRAIN_LOOK_S = 0.05


class ShortWayProtocol(BoundedProtocol):
    """A connection with the short way in front of the long one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._memory = cast("Memory", self.app_state["memory"])
        self._requests = cast("Requests", self.app_state["requests"])
        self._turns = cast("Turns", self.app_state["turns"])
        self._limits = cast("Limits", self.app_state["limits"])
        self._pending: tuple[Wanted, bytes] | None = None
        self._reading: asyncio.Task[Body | None] | None = None
        self._held_back = b""
        self._is_known = False
        self._is_counted = False
        self._stopping = False

    @property
    def may_go(self) -> bool:
        """Whether it has shown no session, and nothing of it is under way."""
        return not self._is_known and self._pending is None and self._is_at_rest

    # ------------------------------------------------------------------ the short way

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self._active_at = self.loop.time()
        self._unset_keepalive_if_required()  # uvicorn's own timer does not see the short way
        if self._pending is not None:
            self._wait(data)
            return
        if self._is_at_rest and not self._reads_message:
            wanted = self._requests.read_bytes(data)
            if wanted is not None and not self.flow.write_paused:
                self._is_known = self._has_asked = True
                self._pending = (wanted, data)
                self._is_counted = self._foresee(wanted)
                self._memory.feed.confirm(self._answer)
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Note who shows a session; go on with the request."""
        self._is_known = self._is_known or self._requests.shows_session(self.headers)
        super().on_headers_complete()

    def _foresee(self, wanted: Wanted) -> bool:
        """Have an order read while it is asked what changed; tell whether it is, and was counted."""
        memory = self._memory
        if wanted.target == LIST or memory.holds(wanted.target):
            return False
        if memory.admit(wanted) is None or not self._may_read(wanted):
            return False
        memory.foresee(wanted.target)
        return True

    def _may_read(self, wanted: Wanted) -> bool:
        """Count an order that must be read; who has asked for too much is told so on the long way."""
        return wanted.target != LIST and not self._limits.take(str(wanted.token.claims.user_id))

    def _answer(self, known: bool) -> None:
        """Answer once it is known what changed, or see to it that somebody does."""
        if self._pending is None:
            return
        wanted, _ = self._pending
        memory = self._memory
        person = memory.admit(wanted) if known and not self.transport.is_closing() else None
        body = memory.recall(wanted, person.hidden) if person is not None else None
        if body is not None and body.is_ready(body.choose(wanted.coding)) and self._take_turn(wanted, body):
            memory.answers.kept += not self._is_counted
            memory.answers.read += self._is_counted
            self._finish(wanted, body)
        elif person is not None and body is None and (self._is_counted or self._may_read(wanted)):
            self._read(wanted, person.hidden)
        else:
            self._hand_on({CONFIRMED: known, IS_COUNTED: self._is_counted})

    def _read(self, wanted: Wanted, hidden: int) -> None:
        """Wait for an order that must be read; what is no success is answered on the long way."""
        cursor = self._memory.clock.cursor

        def answer(done: asyncio.Future[Body | None]) -> None:
            self._reading = None
            if done.cancelled():  # the process ends
                return
            body = None if done.exception() else done.result()
            if body is not None and body is self._memory.recall(wanted, hidden):  # as new as the clock says
                self._finish(wanted, body)
            else:
                self._hand_on({CONFIRMED: True, IS_COUNTED: True, READ: Read(done, cursor)})

        self._reading = self.loop.create_task(self._memory.read(wanted, hidden))
        self._reading.add_done_callback(answer)

    def _finish(self, wanted: Wanted, body: Body) -> None:
        """Answer what is pending."""
        self._pending = None
        if self.transport.is_closing():
            return
        self.server_state.total_requests += 1
        write_answer(self.transport.write, wanted, body, self._memory.clock.block())
        if self._stopping:
            self.transport.close()
        self._take_held_back()

    def _hand_on(self, found: dict[str, object]) -> None:
        """Have what is pending take the long way, with what was found out of it."""
        _, data = self._pending or (None, b"")
        self._pending = None
        if self.transport.is_closing():
            return
        each, self.app_state = self.app_state, {**self.app_state, **found}
        super().data_received(data)
        self.app_state = each
        if self._stopping:
            super().shutdown()
        self._take_held_back()

    def _take_held_back(self) -> None:
        if self._held_back:
            held_back, self._held_back = self._held_back, b""
            self.flow.resume_reading()
            self.data_received(held_back)

    def _take_turn(self, wanted: Wanted, body: Body) -> bool:
        """Tell whether it may be sent at once: of whole lists each user has one under way."""
        if wanted.target != LIST or wanted.is_head or not body.is_large or is_unchanged(wanted, body):
            return True
        user_id = wanted.token.claims.user_id
        if not self._turns.begin(user_id):
            return False
        self.loop.call_later(_DRAIN_LOOK_S, self._end_turn, user_id)
        return True

    def _end_turn(self, user_id: int) -> None:
        if self.transport.is_closing() or not self.transport.get_write_buffer_size():
            self._turns.end(user_id)
        else:
            self.loop.call_later(_DRAIN_LOOK_S, self._end_turn, user_id)

    def _wait(self, data: bytes) -> None:
        self._held_back += data
        if len(self._held_back) > MAX_HELD_BACK_BYTES:
            self.flow.pause_reading()

    # ------------------------------------------------------------------ its life

    def _ends_at(self) -> float:
        """Return when it is closed unless something happens."""
        return super()._ends_at() if self._pending is None else float("inf")

    def shutdown(self) -> None:
        """End once what is under way is answered."""
        if self._pending is not None:
            self._stopping = True
        else:
            super().shutdown()
