"""The short way: a request that was read before is answered without being read again.

Whole requests that arrive while a connection is at rest are looked up by their bytes; what memory can't
answer takes the long way, through the server's parser and the application, as if nothing had been tried.
"""

from __future__ import annotations

from typing import Any, cast

from vps_readapi.front.answer import is_unchanged, write_answer
from vps_readapi.front.bounded import BoundedProtocol
from vps_readapi.front.once import CONFIRMED
from vps_readapi.front.request import Requests
from vps_readapi.front.turns import Turns
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
        self._pending: tuple[Wanted, bytes] | None = None
        self._held_back = b""
        self._is_known = False
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
                self._memory.feed.confirm(self._answer)
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Note who shows a session; go on with the request."""
        self._is_known = self._is_known or self._requests.shows_session(self.headers)
        super().on_headers_complete()

    def _answer(self, known: bool) -> None:
        if self._pending is None:
            return
        wanted, data = self._pending
        self._pending = None
        if self.transport.is_closing():
            return
        memory = self._memory
        person = memory.admit(wanted) if known else None
        body = memory.recall(wanted, person.hidden) if person is not None else None
        if body is not None and body.is_ready(body.choose(wanted.coding)) and self._take_turn(wanted, body):
            self.server_state.total_requests += 1
            memory.answers.kept += 1
            write_answer(self.transport.write, wanted, body, memory.clock.block())
            if self._stopping:
                self.transport.close()
        else:
            each, self.app_state = self.app_state, {**self.app_state, CONFIRMED: known}
            super().data_received(data)  # where this request need not be confirmed again
            self.app_state = each
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
