"""A server that lets anybody in as PostgreSQL does, and then answers as none does."""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.hostile import listening

SSL_REQUEST = 80877103
Talk = Callable[["Session"], None]


@dataclass
class Session:
    """One client, after it was let in."""

    sock: socket.socket
    stopping: threading.Event

    def say(self, kind: bytes, body: bytes = b"") -> None:
        self.sock.sendall(message(kind, body))


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def describe(columns: int) -> bytes:
    one = b"c\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)
    return message(b"T", struct.pack("!h", columns) + one * columns)


def row(*values: bytes) -> bytes:
    return message(
        b"D", struct.pack("!h", len(values)) + b"".join(struct.pack("!I", len(v)) + v for v in values)
    )


READY = message(b"Z", b"I")
WELCOME = (
    message(b"R", struct.pack("!I", 0))
    + message(b"S", b"server_version\x0018.6\0")
    + message(b"S", b"client_encoding\0UTF8\0")
    + message(b"S", b"standard_conforming_strings\0on\0")
    + message(b"K", struct.pack("!II", 1, 1))
    + READY
)


@dataclass
class HostilePostgres:
    """Where it listens."""

    port: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=vitrine user=ponte_watch password=x sslmode=disable"


@contextmanager
def run_hostile_postgres(talk: Talk, *, lets_in: bool = True) -> Iterator[HostilePostgres]:
    """Run one for the length of a block; talk: what it says to each question."""
    told = HostilePostgres()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, struct.error):
                _begin(self.request)
                if lets_in:
                    self.request.sendall(WELCOME)
                while self.request.recv(65536):
                    talk(Session(self.request, told.stopping))

    with listening(Handler, told.stopping) as told.port:
        yield told


def _begin(sock: socket.socket) -> None:
    while True:
        length, code = struct.unpack("!II", sock.recv(8, socket.MSG_WAITALL))
        if code != SSL_REQUEST:
            sock.recv(length - 8, socket.MSG_WAITALL)
            return
        sock.sendall(b"N")


def endless_rows(session: Session) -> None:
    session.sock.sendall(describe(3))
    piece = row(b"x" * 1000, b"y", b"z") * 50
    while True:
        session.sock.sendall(piece)


def one_row_of_a_gigabyte(session: Session) -> None:
    session.sock.sendall(describe(1))
    session.sock.sendall(b"D" + struct.pack("!IhI", 1_000_000_010, 1, 1_000_000_000))
    for _ in range(1_000_000):
        session.sock.sendall(bytes(1000))


def endless_notices(session: Session) -> None:
    notice = message(b"N", b"SNOTICE\0C00000\0M" + b"n" * 5000 + b"\0\0")
    while True:
        session.sock.sendall(notice)


def one_long_error(session: Session) -> None:
    session.say(b"E", b"SERROR\0CXX000\0M" + b"\x1b[2J" + b"e" * 2_000_000 + b"\0\0")
    session.sock.sendall(READY)


def drip(session: Session) -> None:
    session.sock.sendall(describe(1) + b"D" + struct.pack("!IhI", 10_006, 1, 10_000 - 4))
    for _ in itertools.count():
        session.sock.sendall(b"x")
        if session.stopping.wait(0.05):
            return


def silence(session: Session) -> None:
    session.stopping.wait(60)


def nonsense(session: Session) -> None:
    """To every question, a row of another shape."""
    session.sock.sendall(describe(2) + row(b"-9", b"NaN") + message(b"C", b"SELECT 1\0") + READY)


def unknown_format(session: Session) -> None:
    """To every question, a column that is neither text nor binary."""
    column = message(b"T", b"\0\1c\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 7))
    session.sock.sendall(column + row(b"x") + message(b"C", b"SELECT 1\0") + READY)


TALKS: dict[str, Talk] = {
    "endless rows": endless_rows,
    "one row of a gigabyte": one_row_of_a_gigabyte,
    "endless notices": endless_notices,
    "one long error": one_long_error,
    "a byte at a time": drip,
    "silence": silence,
    "nonsense": nonsense,
    "a format that nobody knows": unknown_format,
}
