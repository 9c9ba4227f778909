"""The short way: a request that was read before is answered without being read again.

Whole requests that arrive while a connection is at rest are looked up by their bytes; what memory can't
answer takes the long way, through the server's parser and the application, as if nothing had been tried.
"""

from __future__ import annotations

import contextlib
import os
import socket
from asyncio import BaseTransport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vps_readapi.errors import DETAILS
from vps_readapi.front.answer import write_answer
from vps_readapi.front.once import CONFIRMED
from vps_readapi.front.request import Requests
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.wanted import Wanted

MAX_HEAD_BYTES = 32 * 1024
MAX_URL_BYTES = 8 * 1024
MAX_HELD_BACK_BYTES = 64 * 1024
MAX_MESSAGE_S = 30.0
"""How long a whole request, its body included, may take to arrive."""
MAX_UNHEARD_MS = 45_000
"""How long what was sent may stay unacknowledged: a phone that changed its network keeps no place longer."""
_PROBLEM = b'{"type":"about:blank","title":"%s","status":%s,"detail":"%s"}'


class ShortWayProtocol(HttpToolsProtocol):
    """uvicorn's connection with the short way in front, limits on what may be sent, and one idle timer."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._memory = cast("Memory", self.app_state["memory"])
        self._requests = cast("Requests", self.app_state["requests"])
        self._pending: tuple[Wanted, bytes] | None = None
        self._held_back = b""
        self._reads_message = False
        self._head_bytes = 0
        self._active_at = 0.0
        self._stopping = False
        self._message_at = 0.0

    @property
    def _is_at_rest(self) -> bool:
        """Tell whether no answer is under way on the long way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

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
                self._pending = (wanted, data)
                self._memory.feed.confirm(self._answer)
                return
        self._take_long_way(data)

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
        if body is not None and body.is_ready(body.choose(wanted.coding)):
            self.server_state.total_requests += 1
            memory.answers.kept += 1
            write_answer(self.transport.write, wanted, body, memory.clock.block())
            if self._stopping:
                self.transport.close()
        else:
            each, self.app_state = self.app_state, {**self.app_state, CONFIRMED: known}
            self._take_long_way(data)  # where this request need not be confirmed again
            self.app_state = each
        if self._held_back:
            held_back, self._held_back = self._held_back, b""
            self.flow.resume_reading()
            self.data_received(held_back)

    def _wait(self, data: bytes) -> None:
        self._held_back += data
        if len(self._held_back) > MAX_HELD_BACK_BYTES:
            self.flow.pause_reading()

    # ------------------------------------------------------------------ the long way, and its limits

    def _take_long_way(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_message and self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    _in_head = False

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._reads_message = self._in_head = True
        self._message_at = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address, up to a length."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(b"414 URI Too Long")

    def on_headers_complete(self) -> None:
        """Go on with a request whose head is whole."""
        self._in_head = False
        self._head_bytes = 0
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._reads_message = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own sentence is English
        """Answer what is no HTTP, in the form of every other problem."""
        self._refuse(b"400 Bad Request", DETAILS[400])

    def _refuse(self, status: bytes, detail: str = DETAILS[413]) -> None:
        """Answer a head that can't be taken, for any page to read, and hear no more."""
        if not self.transport.is_closing():
            body = _PROBLEM % (status[4:], status[:3], detail.encode())
            self.transport.write(
                b"HTTP/1.1 %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
                b"access-control-allow-origin: *\r\nconnection: close\r\n\r\n%s" % (status, len(body), body)
            )
            self.transport.close()

    # ------------------------------------------------------------------ its life

    def connection_made(self, transport: BaseTransport) -> None:
        """Start the idle timer: one for the connection's life, looked at once a period."""
        super().connection_made(transport)  # type: ignore[arg-type]
        _bound_silence(transport)
        self._active_at = self.loop.time()
        self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.transport.is_closing():
            return
        left = self._active_at + self.timeout_keep_alive - self.loop.time()
        late = self._reads_message and self.loop.time() - self._message_at > MAX_MESSAGE_S
        if late or (left <= 0 and self._pending is None and (self._is_at_rest or self._reads_message)):
            self.transport.close()
        else:
            self.loop.call_later(max(left, 1.0), self._close_if_idle)

    def shutdown(self) -> None:
        """End once what is under way is answered."""
        if self._pending is not None:
            self._stopping = True
        else:
            super().shutdown()


def _bound_silence(transport: BaseTransport) -> None:
    """Have the system break a connection whose other end acknowledges nothing; Linux alone can."""
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.setsockopt(socket.IPPROTO_TCP, option, MAX_UNHEARD_MS)
