"""Fetched originals: what is kept, what goes, what is not ours, and how many come at a time."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.ports import find_free_port
from vps_readapi.errors import ProblemError
from vps_readapi.pictures.original_cache import OriginalCache
from vps_readapi.pictures.originals import Originals

pytestmark = pytest.mark.unit

PICTURE = b"\xff\xd8\xff" + b"x" * 1000


def keep(cache: OriginalCache, imagem_id: int, content: bytes) -> Path:
    with cache.receive() as file:
        file.write(content)
        return cache.keep(imagem_id, "jpg", file)


def grow_old(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_the_bound_holds_within_seconds(tmp_path: Path) -> None:
    cache = OriginalCache(tmp_path, 3000)
    for imagem_id in range(10):
        grow_old(keep(cache, imagem_id, PICTURE[:1000]), 10 - imagem_id / 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7.jpg", "8.jpg", "9.jpg"]


def test_what_others_keep_in_the_folder_stays(tmp_path: Path) -> None:
    cache = OriginalCache(tmp_path, 2000)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "9.d").mkdir()
    (tmp_path / "alheio.sql").write_bytes(b"precious" * 1000)
    for path in tmp_path.iterdir():
        grow_old(path, 9999)
    for imagem_id in (1, 2, 3):
        grow_old(keep(cache, imagem_id, PICTURE), 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.jpg", "9.d", "alheio.sql", "lost+found"]
    assert cache.find(9) is None


def test_what_was_half_fetched_goes(tmp_path: Path) -> None:
    cache = OriginalCache(tmp_path, 2000)
    with cache.receive() as file:
        file.write(b"half")
    assert list(tmp_path.iterdir()) == []
    left = tmp_path / f"incoming-{'a' * 32}"
    left.write_bytes(b"half")
    grow_old(left, 4000)
    keep(cache, 1, PICTURE)
    assert [path.name for path in tmp_path.iterdir()] == ["1.jpg"]


class Sgp(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.encodings: set[str | None] = set()
        self.uplink = threading.Event()
        self.uplink.set()
        super().__init__(("127.0.0.1", find_free_port()), _Photo)

    def count(self, step: int) -> None:
        with self.lock:
            self.now += step
            self.most = max(self.most, self.now)


class _Photo(BaseHTTPRequestHandler):
    server: Sgp

    def do_GET(self) -> None:
        self.server.encodings.add(self.headers["accept-encoding"])
        self.server.count(1)
        time.sleep(0.05)  # as long as the uplink takes
        self.server.uplink.wait(60)
        self.server.count(-1)
        self.send_response(200)
        self.send_header("content-length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def sgp() -> Iterator[Sgp]:
    with Sgp() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@asynccontextmanager
async def open_originals(sgp: Sgp, cache: OriginalCache) -> AsyncIterator[Originals]:
    url = f"http://127.0.0.1:{sgp.server_address[1]}"
    originals = Originals(url, cache, max_bytes=2**20, timeout_s=60, connections=2)
    try:
        yield originals
    finally:
        await originals.close()


async def fetch(sgp: Sgp, cache: OriginalCache, *imagem_ids: int) -> list[object]:
    async with open_originals(sgp, cache) as originals:
        fetching = (originals.fetch(one) for one in imagem_ids)
        return list(await asyncio.gather(*fetching, return_exceptions=True))


def test_two_come_at_a_time_as_they_are(sgp: Sgp, tmp_path: Path) -> None:
    found = asyncio.run(fetch(sgp, OriginalCache(tmp_path, 2**20), *range(8)))
    assert found == [tmp_path / f"{number}.jpg" for number in range(8)]
    assert sgp.most == 2
    assert sgp.encodings == {"identity"}


def test_whose_turn_does_not_come_is_told(sgp: Sgp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vps_readapi.pictures.originals._TURN_S", 0.01)
    sgp.uplink.clear()

    async def run() -> list[object]:
        async with open_originals(sgp, OriginalCache(tmp_path, 2**20)) as originals:
            fetching = [asyncio.create_task(originals.fetch(number)) for number in (1, 2, 3)]
            await asyncio.wait(fetching, return_when=asyncio.FIRST_COMPLETED)
            sgp.uplink.set()
            return list(await asyncio.gather(*fetching, return_exceptions=True))

    assert [one.status for one in asyncio.run(run()) if isinstance(one, ProblemError)] == [503]


def test_a_full_disk_is_a_503(sgp: Sgp, tmp_path: Path) -> None:
    class Full(OriginalCache):
        def keep(self, imagem_id: int, suffix: str, received: BinaryIO) -> Path:  # noqa: ARG002 - it takes nothing
            raise OSError(28, "No space left on device")

    [told] = asyncio.run(fetch(sgp, Full(tmp_path, 2**20), 1))
    assert isinstance(told, ProblemError)
    assert told.status == 503
