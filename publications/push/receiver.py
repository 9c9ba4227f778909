"""The VPS's ingest as the push meets it: one request at a time, and nothing of an answer is believed unread.

Whoever answers may be anybody: answers are read up to a bound and a time, are never unpacked or followed
elsewhere, and must have the shape that ours have.
"""

from __future__ import annotations

import http.client
import io
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import zstandard
from pydantic import BaseModel, ValidationError

from db.errors import PonteError
from db.sync import API_KEY_FIELD, CHANGES_PATH, POSITION_PATH, Applied, Position
from db.webhooks import sign_webhook

ANSWER_BYTES = 65536
CHUNK_BYTES = 65536
CONNECT_S = 5.0
COMPRESSION_LEVEL = 3
Shape = TypeVar("Shape", bound=BaseModel)
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class PushFault(StrEnum):
    """What stands in a push's way."""

    UNREACHABLE = "push_unreachable"
    REFUSED = "push_refused"
    REJECTED = "push_rejected"
    CHANGED = "push_changed"
    """What is published is not what was applied."""
    STOPPED = "push_stopped"
    """Something else."""


class PushError(PonteError):
    """Nothing goes out, and why."""

    def __init__(self, kind: PushFault, fact: str, hint: str) -> None:
        super().__init__(fact, hint)
        self.kind = kind


class MovedError(PushError):
    """The receiver stands elsewhere than we believed."""


class OverfullError(PushError):
    """What must appear at once is more than the receiver keeps waiting; sent again it still is."""


class _Socket(Protocol):
    def settimeout(self, value: float | None, /) -> None: ...
    def recv_into(self, buffer: Any, /) -> int: ...
    def close(self) -> None: ...


class _BoundedReader(io.RawIOBase):
    """Reads from a socket as long as there is time, whatever trickles in."""

    def __init__(self, sock: _Socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left_s(self._deadline))
        return self._sock.recv_into(buffer)


def _left_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _BoundedSocket:
    """What `http.client` reads an answer from."""

    def __init__(self, sock: _Socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline))


class _Held(http.client.HTTPConnection):
    """A head waits for its body: alone it would be a packet of its own, and wake everybody twice."""

    held = b""

    def send(self, data: Any) -> None:
        """Hold what `endheaders` would send."""
        self.held = bytes(data)


class _HeldSecurely(http.client.HTTPSConnection):
    """The same, by TLS."""

    held = b""
    send = _Held.send


def _idle() -> None:
    """Do nothing meanwhile."""


@dataclass(frozen=True)
class _Question:
    method: str
    target: str
    fields: Mapping[str, str]
    body: bytes
    meanwhile: Callable[[], None]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    closes: bool


class Receiver:
    """One address, with a connection that is kept as long as it works."""

    def __init__(self, url: str, *, api_key: str, secret: bytes, answer_s: float) -> None:
        found = urlsplit(url)
        self._host, self._port = found.hostname or "", found.port
        self._secure, self._prefix = found.scheme == "https", found.path
        self._api_key, self._secret, self._answer_s = api_key, secret, answer_s
        self._conn: _Held | _HeldSecurely | None = None
        self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)

    def close(self) -> None:
        """Let go of the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def ask_position(self, webhook_id: str) -> Position:
        """Return how far the receiver has what source. Raise PushError."""
        return _read(Position, self._ask("GET", POSITION_PATH, webhook_id, b""))

    def push(self, webhook_id: str, body: bytes, *, meanwhile: Callable[[], None] = _idle) -> Applied:
        """Send one batch. Raise PushError; MovedError where the receiver stands elsewhere.

        meanwhile: is done between the sending and the answer, perhaps more than once.
        """
        return _read(Applied, self._ask("POST", CHANGES_PATH, webhook_id, body, meanwhile))

    def _ask(
        self, method: str, path: str, webhook_id: str, body: bytes, meanwhile: Callable[[], None] = _idle
    ) -> _Answer:
        fields = {
            API_KEY_FIELD: self._api_key,
            "accept-encoding": "identity",
            "content-type": "application/json",
            **sign_webhook(self._secret, webhook_id, body),
        }
        packed = self._compressor.compress(body) if body else b""
        if body:
            fields |= {"content-encoding": "zstd", "content-length": str(len(packed))}
        try:
            answer = self._ask_twice(_Question(method, self._prefix + path, fields, packed, meanwhile))
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            self.close()
            raise PushError(
                PushFault.UNREACHABLE,
                f"the VPS's ingest does not answer: {str(error) or type(error).__name__}",
                "check PONTE_PUSH_URL, the way there, and that the ingest is up on the VPS",
            ) from error
        except BaseException:
            self.close()  # an answer may be under way that nobody reads
            raise
        if answer.closes:
            self.close()
        _check_status(answer)
        return answer

    def _ask_twice(self, question: _Question) -> _Answer:
        """Ask, once more if the connection was one that the receiver had closed meanwhile."""
        kept = self._conn is not None
        try:
            return self._ask_once(question)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not kept:
                raise
            return self._ask_once(question)

    def _ask_once(self, question: _Question) -> _Answer:
        deadline = time.monotonic() + self._answer_s
        conn = self._conn = self._conn or self._connect()
        if conn.sock is None:
            raise ConnectionError("not connected")
        conn.putrequest(question.method, question.target, skip_accept_encoding=True)
        for name, value in question.fields.items():
            conn.putheader(name, value)
        conn.endheaders()
        for piece in _cut(conn.held + question.body):
            conn.sock.settimeout(_left_s(deadline))
            conn.sock.sendall(piece)
        question.meanwhile()
        return self._read_answer(conn, deadline)

    def _connect(self) -> _Held | _HeldSecurely:
        kind = _HeldSecurely if self._secure else _Held
        conn = kind(self._host, self._port, timeout=min(CONNECT_S, self._answer_s))
        conn.connect()
        return conn

    def _read_answer(self, conn: http.client.HTTPConnection, deadline: float) -> _Answer:
        conn.response_class = partial(_make_response, deadline)  # type: ignore[assignment]
        with conn.getresponse() as response:
            body = response.read(ANSWER_BYTES + 1)
            if len(body) > ANSWER_BYTES or response.getheader("content-encoding", "identity") != "identity":
                raise http.client.HTTPException("an answer that is too long, or packed")
            return _Answer(response.status, body, response.will_close or not response.isclosed())


def _make_response(deadline: float, sock: _Socket, *, method: str | None = None) -> http.client.HTTPResponse:
    return http.client.HTTPResponse(_BoundedSocket(sock, deadline), method=method)  # type: ignore[arg-type]


def _cut(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


def _check_status(answer: _Answer) -> None:
    status = answer.status
    if status == HTTPStatus.OK:
        return
    said = _quote(answer.body)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise PushError(
            PushFault.REFUSED,
            f"the VPS refuses what is pushed: {status}{said}",
            "give PONTE_PUSH_API_KEY and PONTE_PUSH_SECRET the values that the ingest has, set both clocks",
        )
    if status == HTTPStatus.CONFLICT:
        raise MovedError(PushFault.STOPPED, f"the VPS stands at another position{said}", "it is asked again")
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        raise OverfullError(
            PushFault.REJECTED,
            f"what must appear at once is more than the VPS keeps: {status}{said}",
            "let fewer rows or columns out, or run 'ponte transport replication'; it is tried again in an"
            " hour, or at once when 'ponte push' is started again",
        )
    if status in _BUSY:
        raise PushError(
            PushFault.UNREACHABLE,
            f"the VPS can't take it just now: {status}{said}",
            "see the ingest's log on the VPS, and its PostgreSQL",
        )
    raise PushError(
        PushFault.REJECTED,
        f"the VPS will not take what is pushed: {status}{said}",
        "run 'ponte migrate' there if it is older; else the ingest's log says what it does not know",
    )


def _quote(body: bytes) -> str:
    """Return the beginning of what the receiver says, as one line of plain letters."""
    text = "".join(letter if letter.isprintable() else " " for letter in body[:400].decode(errors="replace"))
    return f": {' '.join(text.split())}" if text.strip() else ""


def _read(shape: type[Shape], answer: _Answer) -> Shape:
    try:
        return shape.model_validate_json(answer.body)
    except ValidationError as error:
        raise PushError(
            PushFault.UNREACHABLE,
            "what answers at PONTE_PUSH_URL is not Ponte's ingest",
            "correct PONTE_PUSH_URL: it is the ingest's address on the VPS, without a path",
        ) from error
