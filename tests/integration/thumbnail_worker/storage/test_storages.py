"""The storages that are servers: a real S3-compatible one, and the VPS's ingest."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from db import lifetime
from db.signing import sign_request
from db.waiting import wait_until
from tests.fix_s3 import S3Server, run_s3
from tests.ports import find_free_port
from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.storage import Storage, StoredObject
from thumbnail_worker.storage.vps import VpsStorage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

KEY = "7/0123456789abcdef-w1-640.webp"
SECRET = "i" * 40
MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: S3Server) -> Iterator[Storage]:
    with closing(server.storage()) as storage:
        yield storage


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The ingest as a process of its own; gives its address and its folder."""
    folder, port = tmp_path_factory.mktemp("ingest"), find_free_port()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
    ours = {"KEY": SECRET, "MEDIA_DIR": str(folder), "PORT": str(port), "MAX_BYTES": str(MAX_BYTES)}
    process = lifetime.start(
        [sys.executable, "-m", "vps_readapi.ingest"],
        env=inherited | {f"PONTE_INGEST_{key}": value for key, value in ours.items()},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: _answers(url), 60)
        yield url, folder
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/miniaturas", trust_env=False).status_code == 401
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def vps(ingest: tuple[str, Path]) -> Iterator[Storage]:
    with closing(VpsStorage(ingest[0], key=SECRET.encode())) as storage:
        yield storage


@pytest.fixture(params=["s3", "vps"])
def storage(request: pytest.FixtureRequest) -> Storage:
    found: Storage = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def folder(request: pytest.FixtureRequest, storage: Storage) -> Path:
    """Where the server keeps the objects, as files."""
    if isinstance(storage, VpsStorage):
        return Path(request.getfixturevalue("ingest")[1])
    return Path(request.getfixturevalue("server").folder)


def test_what_is_put_is_listed_and_can_be_removed(storage: Storage) -> None:
    storage.put(KEY, b"webp" * 100)
    storage.put(KEY, b"webp" * 100)
    storage.put("70/b-w1-640.webp", b"x")
    assert sorted(storage.list_objects(), key=lambda one: one.chave) == [
        StoredObject("7/0123456789abcdef-w1-640.webp", 400),
        StoredObject("70/b-w1-640.webp", 1),
    ]
    for key in (KEY, KEY, "70/b-w1-640.webp"):
        storage.delete(key)
    assert list(storage.list_objects()) == []


def test_more_than_a_page_is_listed(storage: Storage, folder: Path) -> None:
    keys = [f"{number}/a-w1-640.webp" for number in range(1100)]
    for key in keys:
        (folder / key).parent.mkdir()
        (folder / key).write_bytes(b"x")
    assert sorted(one.chave for one in storage.list_objects()) == sorted(keys)
    for key in keys:
        (folder / key).unlink()
        (folder / key).parent.rmdir()


def test_what_s3_refuses_and_a_server_that_is_away(tmp_path: Path) -> None:
    with run_s3(tmp_path) as server:
        for refused in (server.storage(bucket="outro"), server.storage(secret="errado-errado")):
            with closing(refused), pytest.raises(StorageError, match="the bucket refused a request: "):
                refused.put(KEY, b"x")
    with closing(server.storage()) as away, pytest.raises(StorageError, match="can't be reached"):
        away.put(KEY, b"x")


def test_the_ingest_keeps_whole_files_only(ingest: tuple[str, Path]) -> None:
    url, folder = ingest
    target = f"/miniaturas/{KEY}"
    fields = sign_request(SECRET.encode(), "PUT", target, b"the whole")
    answer = httpx.put(url + target, content=b"the half", headers=fields, trust_env=False)
    assert answer.status_code == 422
    large = b"x" * (MAX_BYTES + 1)
    fields = sign_request(SECRET.encode(), "PUT", target, large)
    assert httpx.put(url + target, content=large, headers=fields, trust_env=False).status_code == 413
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_the_ingest_believes_no_one_else_and_nothing_twice(ingest: tuple[str, Path]) -> None:
    url, folder = ingest
    target = f"/miniaturas/{KEY}"
    for fields in ({}, sign_request(b"j" * 40, "PUT", target, b"x")):
        answer = httpx.put(url + target, content=b"x", headers=fields, trust_env=False)
        assert answer.status_code == 401
    fields = sign_request(SECRET.encode(), "PUT", target, b"x")
    statuses = [
        httpx.put(url + target, content=b"x", headers=fields, trust_env=False).status_code for _ in range(2)
    ]
    assert statuses == [204, 401]
    with closing(VpsStorage(url, key=SECRET.encode())) as storage:
        storage.delete(KEY)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "chave", ["../fora.webp", "%2e%2e/fora.webp", "7/..%2f..%2ffora", ".incoming/a", "7//a"]
)
def test_the_ingest_writes_nowhere_else(ingest: tuple[str, Path], chave: str) -> None:
    url, folder = ingest
    target = f"/miniaturas/{chave}"
    request = httpx.Request("PUT", url, content=b"x")
    request.url = request.url.copy_with(raw_path=target.encode())
    request.headers.update(sign_request(SECRET.encode(), "PUT", target, b"x"))
    with httpx.Client(trust_env=False) as client:
        assert client.send(request).status_code in {404, 405, 422}
    assert not any(path.is_file() for path in folder.parent.rglob("fora*"))


def test_an_ingest_without_its_folder_does_not_say_that_it_is_empty(
    ingest: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = ingest
    folder.rename(tmp_path / "unmounted")
    try:
        with (
            closing(VpsStorage(url, key=SECRET.encode())) as storage,
            pytest.raises(StorageError, match="503"),
        ):
            list(storage.list_objects())
    finally:
        (tmp_path / "unmounted").rename(folder)


def test_the_ingest_lists_only_what_it_can_be_asked_for(ingest: tuple[str, Path], vps: Storage) -> None:
    stray = ingest[1] / "7" / ".DS_Store"
    stray.parent.mkdir()
    stray.write_bytes(b"x")
    assert list(vps.list_objects()) == []
    stray.unlink()
    stray.parent.rmdir()


def test_a_connection_that_was_closed_is_opened_anew_with_a_fresh_signature() -> None:
    signatures: list[str] = []

    class Hasty(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            signatures.append(str(sorted(self.headers.items())))
            if len(signatures) > 1:
                self.send_response(204)
                self.end_headers()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", find_free_port()), Hasty) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        with closing(VpsStorage(f"http://127.0.0.1:{server.server_address[1]}", key=b"i" * 40)) as storage:
            storage.delete(KEY)
        server.shutdown()
        thread.join()
    assert len(set(signatures)) == 2


def test_what_the_ingest_will_not_take_is_about_that_object(vps: Storage) -> None:
    with pytest.raises(StorageRefusedError, match="PONTE_INGEST_MAX_BYTES"):
        vps.put(KEY, b"x" * (MAX_BYTES + 1))


def test_an_ingest_that_is_away_is_a_matter_of_the_storage() -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    with (
        closing(VpsStorage(url, key=SECRET.encode())) as storage,
        pytest.raises(StorageError, match="can't be reached"),
    ):
        storage.put(KEY, b"x")
