"""uvicorn's connection with bounds: on what may be sent, on the time it may take, on how many there are."""

from __future__ import annotations

import contextlib
import os
import socket
from asyncio import BaseTransport
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from vps_readapi.front.crowd import Crowd

MAX_HEAD_BYTES = 32 * 1024
MAX_URL_BYTES = 8 * 1024
MAX_HEAD_S = 10.0
"""How long a new connection may say nothing, and how long a head may take to arrive."""
MAX_MESSAGE_S = 30.0
"""How long a whole request, its body included, may take to arrive."""
MAX_PAUSE_S = 300.0
"""How long an answer may lie here untaken: a slow phone takes the whole list within it."""
LOOK_S = 2.5
"""How often a connection's times are looked at."""
MAX_UNHEARD_MS = 45_000
"""How long what was sent may stay unacknowledged: a phone that changed its network keeps no place longer."""
_PROBLEM = b'{"type":"about:blank","title":"%s","status":%s,"detail":"%s"}'


class BoundedProtocol(HttpToolsProtocol):
    """A connection that keeps within bounds, one timer for its life; `crowd` counts all of a process."""

    crowd: ClassVar[Crowd]
    message_s: ClassVar[float | None] = None
    """How long a whole request may take where that is another time than a phone's."""
    details: ClassVar[Mapping[int, str]] = {400: "Bad Request", 413: "Too Large", 503: "Service Unavailable"}
    """A sentence for each problem that is told here."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reads_message = False
        self._in_head = False
        self._has_asked = False
        self._head_bytes = 0
        self._active_at = 0.0
        self._message_at = 0.0
        self._paused_at: float | None = None

    @property
    def _is_at_rest(self) -> bool:
        """Tell whether no answer is under way."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    @property
    def may_go(self) -> bool:
        """Whether nothing of it is under way."""
        return self._is_at_rest

    def give_way(self) -> None:
        """Close it at once."""
        self.transport.abort()

    # ------------------------------------------------------------------ what may be sent

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self._active_at = self.loop.time()
        self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_message and self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large", 413)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._reads_message = self._in_head = self._has_asked = True
        self._message_at = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address, up to a length."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(b"414 URI Too Long", 413)

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
        self._refuse(b"400 Bad Request", 400)

    def _refuse(self, status: bytes, problem: int, further: bytes = b"") -> None:
        """Answer a head that can't be taken, for any page to read, and hear no more."""
        if not self.transport.is_closing():
            body = _PROBLEM % (status[4:], status[:3], self.details[problem].encode())
            self.transport.write(
                b"HTTP/1.1 %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n%s"
                b"access-control-allow-origin: *\r\nconnection: close\r\n\r\n%s"
                % (status, len(body), further, body)
            )
            self.transport.close()

    # ------------------------------------------------------------------ its life

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a place if there is one, and start the timer."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if not self.crowd.admit(self, self.client[0] if self.client else ""):
            self._refuse(b"503 Service Unavailable", 503, b"retry-after: 5\r\n")
            return
        _bound_silence(transport)
        self._active_at = self.loop.time()
        self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self.crowd.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note since when nobody takes what is sent."""
        self._paused_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it is taken."""
        self._paused_at = None
        super().resume_writing()

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        if self._ends_at() <= self.loop.time():
            self.transport.abort() if self._paused_at is not None else self.transport.close()
        else:
            self.loop.call_later(LOOK_S, self._look)

    def _ends_at(self) -> float:
        """Return when it is closed unless something happens."""
        if self._paused_at is not None:
            return self._paused_at + MAX_PAUSE_S
        if self._reads_message:
            whole = self._message_at + (MAX_HEAD_S if self._in_head else self.message_s or MAX_MESSAGE_S)
            return min(whole, self._active_at + self.timeout_keep_alive)
        if not self._is_at_rest:
            return float("inf")
        silent_s = self.timeout_keep_alive
        return self._active_at + (silent_s if self._has_asked else min(silent_s, MAX_HEAD_S))


def _bound_silence(transport: BaseTransport) -> None:
    """Have the system break a connection whose other end acknowledges nothing; Linux alone can."""
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.setsockopt(socket.IPPROTO_TCP, option, MAX_UNHEARD_MS)
