"""Answers of servers in other hands: whoever asked says so in a sentence, soon, and does not grow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psycopg
from pydantic import SecretStr

from publications.push.receiver import PushError, Receiver
from publications.watch.connection import open_link
from publications.watch.follower import Follower
from publications.watch.reading import SUBSCRIBER
from tests.fix_photos import draw_jpeg
from tests.fuzz.outcome import Growth, Outcome, run_rounds, spoil
from tests.hostile import listening
from tests.hostile_postgres import READY, Session, describe, message, row, run_hostile_postgres
from tests.hostile_server import answer
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage.s3 import S3Storage
from thumbnail_worker.storage.vps import VpsStorage
from vps_readapi.errors import ProblemError
from vps_readapi.live.upstream import UnusableError, Upstream
from vps_readapi.pictures.original_cache import OriginalCache
from vps_readapi.pictures.originals import Originals

WHOLE_S = 5.0
"""What each of them is given for an answer."""
SOON_S = 20.0
"""Longer than that nobody may take, whatever else this machine does."""
KEPT_BYTES = 4 * 2**20

LISTED = json.dumps([[f"{number}/a.webp", 10] for number in range(3)]).encode()
BUCKET = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><Contents><Key>1/a.webp</Key>"
    b"<Size>10</Size></Contents><NextContinuationToken>x</NextContinuationToken></ListBucketResult>"
)
REFUSAL = b"<Error><Code>EntityTooLarge</Code><Message>x</Message></Error>"
POSITION = json.dumps({"version": 1, "source": "a", "position": "0/1", "incarnation": "b"}).encode()
APPLIED = json.dumps({"position": "0/1", "applied": 3, "ignored": {}}).encode()
SOUND = (
    *(answer(body, "Content-Type: application/json") for body in (LISTED, POSITION, APPLIED, b"[]")),
    *(answer(body, "Content-Type: application/xml") for body in (BUCKET, BUCKET.replace(b"true", b"false"))),
    *(answer(REFUSAL, status=status) for status in ("400 Bad Request", "413 Too Large", "503 Away")),
    *(answer(b"", status=status) for status in ("200 OK", "204 Gone", "401 No", "409 Moved")),
    answer(b"", "Location: http://127.0.0.1:9/", status="302 Found"),
    answer(draw_jpeg(1, (64, 48)), "Content-Type: image/jpeg"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + answer(LISTED),
    b"HTTP/1.0 200 OK\r\n\r\n" + LISTED,
)
PIECES = [
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\0",
        b":",
        b" ",
        b"\xff",
        b"-1",
        b"NaN",
        b"1e999",
        b"99999999999999999999",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Location: http://127.0.0.1:9/\r\n", b"Connection: keep-alive\r\n"),
    *(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"ffffffffffffffff\r\n"),
    *(
        b"[" * 5000,
        b'{"a":' * 3000,
        b"x" * 70_000,
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"<Contents>",
        b"</Key>",
    ),
    *(
        "\u202e\ud800".encode("utf-8", "surrogatepass"),
        b"\x1b[2J",
        b"X: y\r\n" * 200,
        b"1/a.webp",
        b"\\u0000",
    ),
]
ROWS = (
    describe(1) + row(b"1") + message(b"C", b"SELECT 1\0") + READY,
    describe(3) + row(b"-9", b"NaN", b"2026-01-01") + message(b"C", b"SELECT 1\0") + READY,
    message(b"1") + message(b"2") + describe(2) + row(b"a", b"b") + message(b"C", b"SELECT 1\0") + READY,
    message(b"E", b"SERROR\0C42P01\0Mno\0\0") + READY,
    message(b"N", b"SNOTICE\0C00000\0Mn\0\0") + message(b"C", b"SET\0") + READY,
)
WORDS = [b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"D", b"T", b"Z", b"G", b"H", b"W", READY, b"\0" * 64]


@dataclass
class Liar:
    """A server that says to each request what it was told to say, and closes."""

    port: int = 0
    says: bytes = b""
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def run_liar() -> Iterator[Liar]:
    """Run one for the length of a block."""
    told = Liar()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                got = b""
                while b"\r\n\r\n" not in got:
                    if not (piece := self.request.recv(65536)):
                        return
                    got += piece
                self.request.sendall(told.says)
                self.request.shutdown(socket.SHUT_WR)
                while self.request.recv(65536):  # what is unread would be answered by a reset
                    pass

    with listening(Handler, told.stopping) as told.port:
        yield told


Reader = tuple[str, Callable[[], object], tuple[type[Exception], ...]]
"""Who asks, how, and what that may raise."""


@contextmanager
def open_readers(url: str, folder: Path) -> Iterator[Sequence[Reader]]:
    """Have everybody who reads what another machine answers over HTTP."""
    vps = VpsStorage(url, key=b"k" * 32, seconds=WHOLE_S)
    bucket = S3Storage(
        "b", endpoint_url=url, region="r", access_key_id="i", secret_access_key="s", seconds=WHOLE_S
    )
    # botocore's pause before its second try is no matter of an answer's.
    bucket._client.meta.events.unregister("needs-retry.s3", unique_id="retry-config-s3")
    receiver = Receiver(url, api_key="k", secret=b"s" * 32, answer_s=WHOLE_S)
    cache = OriginalCache(folder, KEPT_BYTES)
    with ExitStack() as stack:
        for one in (vps, bucket, receiver):
            stack.callback(one.close)
        runner = stack.enter_context(asyncio.Runner())

        async def open_originals() -> Originals:
            return Originals(url, cache, max_bytes=2**20, timeout_s=WHOLE_S, connections=4)

        async def open_upstream() -> Upstream:
            return Upstream(url, connect_s=WHOLE_S, timeout_s=WHOLE_S, max_bytes=2**20, connections=4)

        originals, upstream = runner.run(open_originals()), runner.run(open_upstream())
        stack.callback(lambda: runner.run(originals.close()))
        stack.callback(lambda: runner.run(upstream.close()))

        def fetch() -> None:
            for kept in folder.glob("1.*"):
                kept.unlink()
            runner.run(originals.fetch(1))

        def ask_sgp() -> None:
            runner.run(upstream.get("/maquinas/", None, missing="x"))

        yield (
            ("the worker's list", lambda: list(vps.list_objects()), (StorageError,)),
            ("the worker's photo", lambda: vps.put("1/a.webp", b"x"), (StorageError,)),
            ("the bucket's list", lambda: list(bucket.list_objects()), (StorageError,)),
            ("the bucket's photo", lambda: bucket.put("1/a.webp", b"x"), (StorageError,)),
            ("the push's position", lambda: receiver.ask_position("msg_1"), (PushError,)),
            ("the push's batch", lambda: receiver.push("msg_1", b"{}"), (PushError,)),
            ("the original", fetch, (ProblemError,)),
            ("the live question", ask_sgp, (*upstream.unanswered, UnusableError, ProblemError)),
        )


@contextmanager
def open_watch(says: Callable[[], bytes]) -> Iterator[Reader]:
    """Have the watch ask a PostgreSQL that lies."""

    def talk(session: Session) -> None:
        session.sock.sendall(says())
        session.sock.shutdown(socket.SHUT_WR)

    with run_hostile_postgres(talk) as server:
        dsn = SecretStr(server.dsn)
        follower = Follower("vps", dsn, SUBSCRIBER, interval_s=1, unanswered_s=30)

        def look() -> None:
            with contextlib.closing(open_link(dsn)) as conn:
                follower._read_sane(conn)

        yield "the watch", look, (psycopg.Error,)


def fuzz_answers(count: int, seconds: float, seed: int) -> Outcome:
    """Have each of them ask a server that lies."""
    outcome, rng = Outcome("answers"), random.Random(seed)
    growth = Growth(outcome, count)
    with ExitStack() as stack:
        liar = stack.enter_context(run_liar())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        readers = stack.enter_context(open_readers(liar.url, folder))
        watch = stack.enter_context(open_watch(lambda: liar.says))

        def take_turn() -> None:
            if rng.random() < 0.1:  # a session takes as long as ten requests
                liar.says = spoil(rng, rng.choice(ROWS), WORDS)
                _ask(outcome, watch, liar.says)
            else:
                liar.says = spoil(rng, rng.choice(SOUND), PIECES)
                _ask(outcome, rng.choice(readers), liar.says)
            growth.look()

        return run_rounds(outcome, count, seconds, take_turn)


def _ask(outcome: Outcome, reader: Reader, said: bytes) -> None:
    whose, ask, allowed = reader
    began = monotonic()
    try:
        ask()
    except allowed:
        pass
    except Exception as error:  # noqa: BLE001  # that there is none is what is asked
        outcome.blame(said, f"{whose}: {type(error).__name__}")
    if monotonic() - began > SOON_S:
        outcome.blame(said, f"{whose}: no answer and no end")
