"""Whoever answers a push may be anybody: what comes back is bounded, and must have our shape."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from publications.push.receiver import MovedError, PushError, PushFault, Receiver
from tests.ports import find_free_port

pytestmark = pytest.mark.integration

ANSWER_S = 1.0
GOOD = b'{"applied": {}, "position": "0/10"}'
Answer = Callable[[socket.socket], None]


def answer(body: bytes = GOOD, status: str = "200 OK", **fields: str) -> Answer:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode()
    return lambda sock: sock.sendall(head + body)


def trickle(piece: bytes) -> Answer:
    """Send a byte now and then, for ever."""

    def run(sock: socket.socket) -> None:
        sock.sendall(piece)
        while True:
            sock.sendall(b"x")
            time.sleep(0.05)

    return run


def flood(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(b"x" * 65536)


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """Give each request on any connection the next answer; keep what was asked."""
    heard: list[bytes] = []
    left = list(answers)
    listener = socket.create_server(("127.0.0.1", find_free_port()))

    def serve(sock: socket.socket) -> None:
        with sock:
            while left:
                asked = _read_request(sock)
                if not asked:
                    return
                heard.append(asked)
                try:
                    left.pop(0)(sock)
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.close()


def _read_request(sock: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        piece = sock.recv(65536)
        if not piece:
            return b""
        found += piece
    head, body = found.split(b"\r\n\r\n", 1)
    lengths = [int(line.split(b":")[1]) for line in head.lower().splitlines() if b"content-length" in line]
    while len(body) < sum(lengths):
        body += sock.recv(65536)
    return head


def push(url: str) -> object:
    receiver = Receiver(url, api_key="k" * 32, secret=b"s" * 32, answer_s=ANSWER_S)
    try:
        return receiver.push("id", b'{"some": "body"}')
    finally:
        receiver.close()


def test_a_good_answer_is_read_and_its_connection_used_again() -> None:
    with answering(answer(), answer(), answer(b'{"source": null, "position": null}')) as (url, heard):
        receiver = Receiver(url, api_key="k" * 32, secret=b"s" * 32, answer_s=30)
        assert receiver.push("one", b"{}").position == "0/10"
        assert receiver.push("two", b"{}").position == "0/10"
        assert receiver.ask_position("three").source is None
        receiver.close()
    assert all(b"x-api-key: " + b"k" * 32 in one and b"webhook-signature: v1," in one for one in heard)
    assert b"accept-encoding: identity" in heard[0]


@pytest.mark.parametrize(
    ("hostile", "kind"),
    [
        (flood, PushFault.UNREACHABLE),
        (trickle(b"HTTP/1.1 200 OK\r\nx: "), PushFault.UNREACHABLE),
        (trickle(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"), PushFault.UNREACHABLE),
        (trickle(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), PushFault.UNREACHABLE),
        (lambda sock: sock.close(), PushFault.UNREACHABLE),
        (lambda sock: sock.sendall(b"SSH-2.0-OpenSSH\r\n"), PushFault.UNREACHABLE),
        (answer(gzip.compress(b" " * 10**7), content_encoding="gzip"), PushFault.UNREACHABLE),
        (answer(b"<html>"), PushFault.UNREACHABLE),
        (answer(b'{"applied": 7}'), PushFault.UNREACHABLE),
        (answer(b"", "302 Found", location="http://127.0.0.1:1/"), PushFault.REJECTED),
        (answer(b'{"reason": "api_key"}', "401 Unauthorized"), PushFault.REFUSED),
        (answer(b"", "403 Forbidden"), PushFault.REFUSED),
        (answer(b'{"fields": ["changes.0.row.id"]}', "422 Unprocessable"), PushFault.REJECTED),
        (answer(b"", "503 Service Unavailable"), PushFault.UNREACHABLE),
        (answer(b"", "429 Too Many Requests"), PushFault.UNREACHABLE),
    ],
)
def test_any_other_answer_is_an_error_within_its_time(hostile: Answer, kind: PushFault) -> None:
    began = time.monotonic()
    with answering(hostile) as (url, _), pytest.raises(PushError) as caught:
        push(url)
    assert caught.value.kind is kind
    assert caught.value.hint
    assert len(caught.value.fact) < 600
    assert time.monotonic() - began < 30


def test_a_receiver_that_stands_elsewhere_is_told_apart() -> None:
    with answering(answer(b"{}", "409 Conflict")) as (url, _), pytest.raises(MovedError):
        push(url)


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    def once(sock: socket.socket) -> None:
        answer()(sock)
        sock.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError  # the next question may be there already: it is nobody's

    with answering(once, answer()) as (url, heard):
        receiver = Receiver(url, api_key="k" * 32, secret=b"s" * 32, answer_s=30)
        receiver.push("one", b"{}")
        assert receiver.push("two", b"{}").position == "0/10"
        receiver.close()
    assert len(heard) == 2
