"""Who answers in SGP's stead: an original is a picture of a bounded size in a bounded time, or a sentence."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from functools import cache
from pathlib import Path

import pytest

from tests.hostile_server import WIRE_TRICKS, Peer, answer, make_bomb, run_hostile
from vps_readapi.errors import ProblemError
from vps_readapi.pictures.original_cache import OriginalCache
from vps_readapi.pictures.originals import Originals

pytestmark = pytest.mark.unit

MEMORY_BYTES = 16 * 1024 * 1024
MAX_BYTES = 2**20
JPEG = b"\xff\xd8\xff"


@cache
def make_packed() -> bytes:
    return gzip.compress(JPEG + bytes(150_000_000), 1)


def packed_picture(peer: Peer) -> None:
    """What begins as a picture, and is 150 MB once unpacked."""
    peer.say(answer(make_packed(), "Content-Encoding: gzip"))


def long_picture(peer: Peer) -> None:
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + JPEG + b"\r\n")
    while True:
        peer.say(b"10000\r\n" + bytes(0x10000) + b"\r\n")


TRICKS = {**WIRE_TRICKS, "a packed picture": packed_picture, "a picture without an end": long_picture}


async def fetch(url: str, folder: Path) -> ProblemError:
    cache = OriginalCache(folder, 2**22)
    originals = Originals(url, cache, max_bytes=MAX_BYTES, timeout_s=0.5, connections=2)
    try:
        with pytest.raises(ProblemError) as told:
            await originals.fetch(7)
    finally:
        await originals.close()
    return told.value


@pytest.mark.parametrize("name", TRICKS)
def test_no_answer_costs_more_than_a_sentence(tmp_path: Path, name: str) -> None:
    for make in (make_bomb, make_packed):
        make()  # before anybody counts
    with run_hostile(TRICKS[name]) as server:
        tracemalloc.start()
        try:
            problem = asyncio.run(fetch(server.url, tmp_path))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert problem.status in {413, 415, 503}
    assert list(tmp_path.iterdir()) == []
    assert peak_bytes < MEMORY_BYTES
