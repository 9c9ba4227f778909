"""One request, and its answer from a server that may be anybody's by now: bounded in bytes and in time.

It stands on httpcore and not on httpx, whose time-outs each end with the next byte; so nothing here follows
redirects, keeps cookies or unpacks.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpcore

ANSWER_BYTES = 2 * 1024 * 1024
"""A listing's page of a thousand keys has a fifth of it."""
WHOLE_S = 60.0
"""From the first byte sent to the last one received, a connection's making included."""
PAUSE_S = 20.0
CONNECT_S = 5.0
# Far below the ingest's own 65 s: a connection that it may be closing is not used again.
_KEEP_S = 2.0
_PLAIN = frozenset({"", "identity"})
_ENDS: ContextVar[float] = ContextVar("when the request under way has to be over")
BROKEN = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpcore.ProxyError,
    OSError,
)
"""What is raised when no answer comes."""


class AnswerError(Exception):
    """An answer came that is no answer; its text says in a few words why."""


@dataclass(frozen=True)
class Answer:
    """An answer whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether the server did it."""
        return 200 <= self.status < 300  # noqa: PLR2004


class _Stream(httpcore.NetworkStream):
    """A connection, each of whose waits ends when the request has to be over."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _shorten(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        sock, left = self.get_extra_info("socket"), memoryview(buffer)
        try:
            while left:
                sock.settimeout(_shorten(timeout, httpcore.WriteTimeout))
                left = left[sock.send(left) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError from error

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _shorten(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens such connections."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _shorten(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))


def _shorten(timeout: float | None, late: type[Exception]) -> float:
    left = _ENDS.get() - monotonic()
    if left <= 0:
        raise late
    return left if timeout is None else min(timeout, left)


class Wire:
    """Connections to one kind of server; threads may share it."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        max_bytes: int = ANSWER_BYTES,
        seconds: float = WHOLE_S,
    ) -> None:
        """max_bytes: of an answer's body; seconds: for a request and its answer."""
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=httpcore.Proxy(proxy) if proxy else None,
            keepalive_expiry=_KEEP_S,
            network_backend=_Backend(),
        )

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer. Raise what `BROKEN` names if there is none, AnswerError if it is too much."""
        _ENDS.set(monotonic() + self._seconds)
        timeout = {"connect": CONNECT_S, "read": PAUSE_S, "write": PAUSE_S, "pool": self._seconds}
        fields = [(name, value) for name, value in {"Accept-Encoding": "identity", **headers}.items()]
        with self._pool.stream(
            method, url, headers=fields, content=body, extensions={"timeout": timeout}
        ) as answer:
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            if told.get("content-encoding", "").strip().lower() not in _PLAIN:
                raise AnswerError("it is packed, and nobody asked for that")
            return Answer(answer.status, told, self._receive(answer))

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.close()

    def _receive(self, answer: httpcore.Response) -> bytes:
        body = bytearray()
        for piece in answer.iter_stream():
            body += piece
            if len(body) > self._max_bytes:
                raise AnswerError(f"it is longer than {self._max_bytes} bytes")
        return bytes(body)
