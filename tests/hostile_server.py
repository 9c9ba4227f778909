"""A server that answers as a thief would let it: whatever it is asked, it does one bad thing."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from tests.hostile import listening

DRIP_S = 0.05


@dataclass
class Peer:
    """One connection, and how much was said on it."""

    sock: socket.socket
    target: str
    server: HostileServer

    def say(self, content: bytes) -> None:
        self.sock.sendall(content)
        self.server.sent += len(content)

    def drip(self, content: Iterator[bytes]) -> None:
        for piece in content:
            self.say(piece)
            if self.server.stopping.wait(DRIP_S):
                return


Trick = Callable[[Peer], None]


@dataclass
class HostileServer:
    """Where it listens, and what it has sent."""

    port: int = 0
    sent: int = 0
    asked: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def run_hostile(trick: Trick) -> Iterator[HostileServer]:
    """Run one for the length of a block."""
    told = HostileServer()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while head := _read_head(self.request):
                    told.asked.append(head.split(" ", 2)[1])
                    trick(Peer(self.request, told.asked[-1], told))

    with listening(Handler, told.stopping) as told.port:
        yield told


def _read_head(sock: socket.socket) -> str:
    """Read a request with its body, of which a trick knows nothing."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        if not piece:
            return ""
        got += piece
    return got.decode("latin-1")


def answer(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """Return an answer whole."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


OPEN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@cache
def make_bomb() -> bytes:
    """Return 1.5 GB of zeros, packed: a megabyte and a half."""
    one = gzip.compress(bytes(150_000_000))
    return one * 10


def endless_body(peer: Peer) -> None:
    peer.say(OPEN)
    while True:
        peer.say(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def dripping_body(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    peer.drip(itertools.repeat(b"["))


def dripping_head(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    peer.drip(itertools.repeat(b"x"))


def endless_head(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        peer.say(f"X-{number}: {'x' * 1000}\r\n".encode())


def endless_promises(peer: Peer) -> None:
    while True:
        peer.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def bomb(peer: Peer) -> None:
    peer.say(answer(make_bomb(), "Content-Encoding: gzip", "Content-Type: application/json"))


def silence(peer: Peer) -> None:
    peer.server.stopping.wait(60)


def no_http(peer: Peer) -> None:
    peer.say(b"\x00\x01SSH-2.0 nothing\r\n" * 100)
    peer.sock.shutdown(socket.SHUT_RDWR)


def half(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[")
    peer.sock.shutdown(socket.SHUT_RDWR)


def lead_nowhere(peer: Peer) -> None:
    """A redirect, which nobody follows and httpx reads."""
    peer.say(answer(b"", "Location: content-length: 9", status="302 Found"))


WIRE_TRICKS: dict[str, Trick] = {
    "a gzip of 1.5 GB": bomb,
    "an endless body": endless_body,
    "a body that drips": dripping_body,
    "a head that drips": dripping_head,
    "an endless head": endless_head,
    "promises without end": endless_promises,
    "silence": silence,
    "no HTTP": no_http,
    "half a body": half,
    "a way that leads nowhere": lead_nowhere,
}


def telling(body: object) -> Trick:
    """Answer everything with that JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda peer: peer.say(answer(content, "Content-Type: application/json"))


def counting(make: Callable[[int], bytes]) -> Trick:
    """Answer each question with what is made of its number."""
    numbers = itertools.count()
    return lambda peer: peer.say(answer(make(next(numbers)), "Content-Type: application/xml"))
