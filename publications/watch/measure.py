"""How a way to another machine is, measured by connections that anybody may make; nothing is left behind."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

KNOCK_S = 4.0
TRIES = 5
FILL_BYTES = 4000
"""Below what each HTTP server takes in one field."""
MAX_QUESTIONS = 900
"""Below what nginx answers on one connection."""
TRANSFER_S = 3.0
STALL_S = 6.0
ANSWER = b"HTTP/1.1 "
IP_MTU = 14
IPV6_MTU = 24


class Reach(StrEnum):
    """What a port answers to whoever knocks."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    SILENT = "silent"


@dataclass(frozen=True)
class Transfer:
    """What came through in one go."""

    sent_bytes: int
    """Those that the other end has answered to."""
    seconds: float
    stalled: bool
    mtu: int | None
    """The largest packet of that connection; None where the system does not tell."""

    @property
    def mbit_per_s(self) -> float:
        """Return the rate."""
        return self.sent_bytes * 8 / 1e6 / self.seconds if self.seconds else 0.0


def knock(address: str, port: int) -> Reach:
    """Tell what a port answers; what no packet comes back from is silent."""
    try:
        socket.create_connection((address, port), KNOCK_S).close()
    except ConnectionRefusedError:
        return Reach.REFUSES
    except OSError:
        return Reach.SILENT
    return Reach.ANSWERS


def measure_round_trip_ms(address: str, port: int) -> float | None:
    """Return the median time in which a connection is made, one way there and back; None if none is."""
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        with contextlib.suppress(OSError), socket.create_connection((address, port), KNOCK_S):
            taken.append((time.perf_counter() - began) * 1000)
    return median(taken) if taken else None


def measure_transfer(address: str, port: int) -> Transfer | None:
    """Ask one question after the other, each with a long field, and count the answers; None if it is no HTTP.

    An answer proves that its question has arrived, so nothing has to be installed at the other end.
    """
    with contextlib.suppress(OSError), socket.create_connection((address, port), KNOCK_S) as sock:
        sock.settimeout(STALL_S)
        if _ask(sock, count=1, fill=0)[0] == 0:
            return None
        n_bytes, seconds = _ask(sock, count=MAX_QUESTIONS, fill=FILL_BYTES)
        return Transfer(n_bytes, seconds, n_bytes == 0, _read_mtu(sock))
    return None


class _Questions(threading.Thread):
    """Sends one question after the other until all are sent, or the time is over, or nothing passes."""

    def __init__(self, sock: socket.socket, *, count: int, fill: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._sock, self._count = sock, count
        self.question = (
            f"GET /ponte-preflight HTTP/1.1\r\nHost: ponte\r\nX-Fill: {'x' * fill}\r\n\r\n".encode()
        )

    def run(self) -> None:
        """Send."""
        deadline = time.perf_counter() + TRANSFER_S
        with contextlib.suppress(OSError):
            while self.sent < self._count and time.perf_counter() < deadline:
                self._sock.sendall(self.question)
                self.sent += 1


def _ask(sock: socket.socket, *, count: int, fill: int) -> tuple[int, float]:
    """Send questions and read the answers; return how many bytes were answered to, and in what time."""
    sender = _Questions(sock, count=count, fill=fill)
    began = last = time.perf_counter()
    sender.start()
    answers, tail = 0, b""
    with contextlib.suppress(OSError):
        while sender.is_alive() or answers < sender.sent:
            piece = sock.recv(2**16)
            if not piece:
                break
            whole = tail + piece
            found = whole.count(ANSWER)
            if found:
                answers, last = answers + found, time.perf_counter()
                whole = whole[whole.rindex(ANSWER) + len(ANSWER) :]
            tail = whole[1 - len(ANSWER) :]
    return answers * len(sender.question), last - began


def _read_mtu(sock: socket.socket) -> int | None:
    if sys.platform != "linux":
        return None
    if sock.family == socket.AF_INET6:
        return sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)
    return sock.getsockopt(socket.IPPROTO_IP, IP_MTU)
