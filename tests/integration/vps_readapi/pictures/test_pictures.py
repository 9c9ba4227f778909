"""Pictures as phones fetch them: from the disk, from S3, and from SGP through the tunnel."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fix_api import (
    Answer,
    Client,
    RunningApi,
    Windows,
    run_api,
    write_session,
)
from tests.fix_photos import draw_jpeg
from tests.fix_s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, run_s3
from tests.ports import find_free_port
from vps_readapi.pictures.links import MediaLinks
from vps_readapi.pictures.presign import Bucket

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(600)]

PICTURE = bytes(range(256)) * 40
JPEG = draw_jpeg(3)
CHAVE = "5.webp"
LARGER = "9/0123456789abcdef-w1-640.webp"


class Sgp(ThreadingHTTPServer):
    """SGP's one route of photos."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.photos: dict[int, tuple[str, bytes]] = {}
        self.asked: Counter[int] = Counter()
        self.held = threading.Event()
        self.held.set()
        super().__init__(("127.0.0.1", port), _Photo)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Photo(BaseHTTPRequestHandler):
    server: Sgp

    def do_GET(self) -> None:
        imagem_id = int(self.path.rpartition("/")[2])
        self.server.asked[imagem_id] += 1
        self.server.held.wait(60)
        media_type, content = self.server.photos.get(imagem_id, ("", b""))
        self.send_response(200 if content else 404)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with windows.open(pedidos=20) as found:
        with write_session(found) as writer:
            writer.execute("DELETE FROM vitrine.miniaturas WHERE imagem_id IN (6, 7, 8)")
            writer.execute(
                "INSERT INTO vitrine.miniaturas (imagem_id, estado, motivo, versao)"
                " VALUES (7, 'falhou', 'nao_e_imagem', 1)"
            )
            writer.execute(
                "UPDATE vitrine.miniaturas SET chave = %s, versao = 2 WHERE imagem_id = 9", [LARGER]
            )
        yield found


@pytest.fixture(scope="module")
def sgp() -> Iterator[Sgp]:
    with Sgp(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    media, originals = tmp_path_factory.mktemp("media"), tmp_path_factory.mktemp("originals")
    (media / CHAVE).write_bytes(PICTURE)
    for name in (LARGER, LARGER.replace("640", "1600")):
        (media / name).parent.mkdir(exist_ok=True)
        (media / name).write_bytes(name.encode())
    return media, originals


@pytest.fixture(scope="module")
def api(dsn: str, sgp: Sgp, folders: tuple[Path, Path]) -> Iterator[RunningApi]:
    media, originals = folders
    limits = {"original_max_mb": "1", "original_seconds": "1"}
    with run_api(dsn, media_dir=str(media), sgp_url=sgp.url, originals_dir=str(originals), **limits) as one:
        yield one


def read_link(client: Client, pedido_id: int) -> str | None:
    """Return the path of the first item's picture."""
    found = client.get(f"/pedidos/{pedido_id}").json()["items"][0]["imagem_url"]
    return None if found is None else urlsplit(found).path + "?" + urlsplit(found).query


def fetch(client: Client, pedido_id: int, extra: str = "", **headers: str) -> Answer:
    """Follow the link as an `<img>` does, without the session."""
    link = read_link(client, pedido_id)
    assert link is not None
    anybody = Client(client._connection.port, token="x")
    anybody.token = ""
    try:
        return anybody.get(link + extra, **headers)
    finally:
        anybody.close()


# ---------------------------------------------------------------- from the disk


def test_a_picture_needs_no_header_and_is_one_phones_for_a_day(client: Client) -> None:
    answer = fetch(client, 5)
    assert (answer.status, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "private, max-age=86400"
    assert answer.headers["etag"] == f'"{CHAVE}"'
    assert read_link(client, 5) == read_link(client, 5)


def test_head_range_and_unchanged(client: Client) -> None:
    head = fetch(client, 5, method="HEAD")
    assert (head.status, head.content, head.headers["content-length"]) == (200, b"", str(len(PICTURE)))
    part = fetch(client, 5, Range="bytes=10-19")
    assert (part.status, part.content) == (206, PICTURE[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(PICTURE)}"
    assert fetch(client, 5, Range="bytes=99999-").status == 416
    assert fetch(client, 5, Range="bytes=0-4", If_Range='"another"').status == 200
    unchanged = fetch(client, 5, If_None_Match=f'"x", "{CHAVE}"')
    assert (unchanged.status, unchanged.content) == (304, b"")
    assert fetch(client, 5, If_None_Match='"x"').status == 200
    assert fetch(client, 5, If_None_Match=f'W/"{CHAVE}"').status == 304
    assert fetch(client, 5, If_None_Match="*").status == 304


def test_another_size_by_the_same_signature(client: Client) -> None:
    assert fetch(client, 9).content.endswith(b"-640.webp")
    assert fetch(client, 9, "&tamanho=1600").content.endswith(b"-1600.webp")
    assert fetch(client, 9, "&tamanho=../..").status == 422


def test_no_signature_no_picture(client: Client) -> None:
    assert client.get(f"/miniaturas/{CHAVE}").status == 403
    assert client.get(f"/miniaturas/{CHAVE}?s=x").status == 403


GONE = "19/0123456789abcdef-w1-640.webp"


def test_a_photo_that_is_gone_is_shown_by_no_link(
    client: Client, dsn: str, sgp: Sgp, folders: tuple[Path, Path]
) -> None:
    """However it could be had until then: as its miniatura, in another size, or itself, kept here."""
    for name in (GONE, GONE.replace("640", "1600")):
        (folders[0] / name).parent.mkdir(exist_ok=True)
        (folders[0] / name).write_bytes(PICTURE)
    sgp.photos[19] = ("image/jpeg", JPEG)
    with write_session(dsn) as writer:
        writer.execute("UPDATE vitrine.miniaturas SET chave = %s, versao = 3 WHERE imagem_id = 19", [GONE])
        link = read_link(client, 19)
        older = MediaLinks("", b"m" * 40, None).sign("19/original")
        links = [f"{link}{extra}" for extra in ("", "&tamanho=1600", "&tamanho=original")]
        links.append(f"/miniaturas/19/original?s={older}")
        assert [client.get(one).status for one in links] == [200] * 4
        writer.execute("DELETE FROM vitrine.imagens WHERE id = 19")
        assert [client.get(one).status for one in links] == [404] * 4, "its miniatura's row is there still"
        writer.execute("DELETE FROM vitrine.miniaturas WHERE imagem_id = 19")
        assert [client.get(one).status for one in links] == [404] * 4


def test_an_old_link_to_a_photo_that_was_replaced_shows_the_new_one(
    client: Client, dsn: str, folders: tuple[Path, Path]
) -> None:
    before, after = "18/0123456789abcdef-w1-640.webp", "18/fedcba9876543210-w1-640.webp"
    (folders[0] / "18").mkdir(exist_ok=True)
    for name in (before, after):
        (folders[0] / name).write_bytes(name.encode())
    with write_session(dsn) as writer:
        change = "UPDATE vitrine.miniaturas SET chave = %s, versao = versao + 1 WHERE imagem_id = 18"
        writer.execute(change, [before])
        link = read_link(client, 18)
        assert link is not None
        assert client.get(link).content == before.encode()
        writer.execute(change, [after])
    assert client.get(link).content == after.encode()


def test_no_cache_shows_an_answer_to_somebody_else(client: Client) -> None:
    paths = ["/auth/me", "/pedidos/", "/pedidos/1", "/pedidos/99", "/pedidos/totais", "/pedidos/?limit=2"]
    for path in [*paths, "/pedidos/?desde=x.1", "/pedidos/status/pronto", "/pedidos/x", "/nada"]:
        for fields in ({}, {"If_None_Match": "*"}, {"Authorization": "Bearer x"}):
            found = client.get(path, **fields).headers
            assert "authorization" in found["vary"].lower(), path
            assert found["cache-control"].startswith(("private", "no-store")), path


# ---------------------------------------------------------------- from SGP


def test_a_photo_without_a_verdict_is_shown_as_it_is(client: Client, sgp: Sgp) -> None:
    sgp.photos[6] = ("application/octet-stream", JPEG)
    answer = fetch(client, 6)
    assert (answer.status, answer.content) == (200, JPEG)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    before = sgp.asked[6]
    assert fetch(client, 6, Range="bytes=0-1").content == JPEG[:2]
    assert sgp.asked[6] == before, "it was not kept"
    assert read_link(client, 7) is None, "a photo that was found bad is not shown"


def test_all_who_wait_share_one_flight(client: Client, sgp: Sgp) -> None:
    sgp.photos[8] = ("image/jpeg", JPEG)
    sgp.held.clear()
    with ThreadPoolExecutor(6) as phones:
        link = read_link(client, 8)
        assert link is not None
        port = client._connection.port
        answers = [phones.submit(get_once, port, link) for _ in range(6)]
        deadline = time.monotonic() + 60
        while not sgp.asked[8] and time.monotonic() < deadline:
            pass
        sgp.held.set()
        assert {one.result().content for one in answers} == {JPEG}
    assert sgp.asked[8] == 1


def get_once(port: int, link: str) -> Answer:
    with closing(Client(port)) as phone:
        return phone.get(link)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 415),
        (b"%PDF-1.4", 415),
        (b"<html>", 415),
        (b"", 404),
        (JPEG.ljust(2**20 + 1, b"\0"), 413),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused(
    client: Client, sgp: Sgp, content: bytes, status: int
) -> None:
    sgp.photos[9] = ("image/jpeg", content)
    answer = fetch(client, 9, "&tamanho=original")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_sgp_that_hangs_costs_the_miniatura_nothing(client: Client, sgp: Sgp) -> None:
    sgp.held.clear()
    try:
        answer = fetch(client, 9, "&tamanho=original")
    finally:
        sgp.held.set()
    assert (answer.status, answer.content) == (200, LARGER.encode())
    assert answer.headers["cache-control"] == "no-store"


def test_with_the_tunnel_down_it_is_said_clearly(dsn: str, folders: tuple[Path, Path]) -> None:
    nowhere = f"http://127.0.0.1:{find_free_port()}"
    media, originals = folders
    (originals / "6.jpg").unlink(missing_ok=True)
    settings = {
        "media_dir": str(media),
        "originals_dir": str(originals),
        "media_url": "https://fotos.example/loja/",
    }
    with run_api(dsn, sgp_url=nowhere, **settings) as api, closing(api.connect()) as client:
        answer = fetch(client, 6)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["detail"].startswith("A foto original está no servidor da loja")
        assert fetch(client, 9, "&tamanho=original").content == LARGER.encode()
        # An older link of the time before the miniatura.
        older = MediaLinks("", b"m" * 40, None).sign("9/original")
        answer = client.get(f"/miniaturas/9/original?s={older}")
        assert (answer.content, answer.headers["cache-control"]) == (LARGER.encode(), "no-store")
        # And where the miniatura is elsewhere.
        other = LARGER.replace("9/", "10/")
        signature = MediaLinks("", b"m" * 40, None).sign(other)
        answer = client.get(f"/miniaturas/{other}?s={signature}&tamanho=original")
        assert (answer.status, answer.headers["cache-control"]) == (302, "no-store")
        assert answer.headers["location"] == "https://fotos.example/loja/10.webp", (
            "what the photo's key is by now"
        )
        # And what is not on the disk is at its public address.
        elsewhere = fetch(client, 4)
        assert (elsewhere.status, elsewhere.headers["cache-control"]) == (302, "private, max-age=3600")
        assert elsewhere.headers["location"] == "https://fotos.example/loja/4.webp"


def test_a_miniatura_that_is_not_where_it_should_be(
    client: Client, sgp: Sgp, folders: tuple[Path, Path]
) -> None:
    (folders[0] / LARGER.replace("640", "800")).unlink(missing_ok=True)
    sgp.photos[9] = ("image/jpeg", JPEG)
    answer = fetch(client, 9, "&tamanho=800")
    assert (answer.content, answer.headers["cache-control"]) == (JPEG, "no-store")


def test_what_was_never_made_or_can_not_be_asked_for_is_the_announced_one(
    dsn: str, folders: tuple[Path, Path]
) -> None:
    with run_api(dsn, media_dir=str(folders[0])) as api, closing(api.connect()) as client:
        for extra in ("&tamanho=800", "&tamanho=original"):
            answer = fetch(client, 9, extra)
            assert (answer.status, answer.content) == (200, LARGER.encode())
            assert answer.headers["cache-control"] == "no-store"


# ---------------------------------------------------------------- from S3


def test_a_private_bucket_is_reached_by_an_address_that_holds_all_day(dsn: str, tmp_path: Path) -> None:
    with run_s3(tmp_path) as server:
        with closing(server.storage()) as storage:
            storage.put(LARGER, PICTURE)
        settings = {
            "s3_bucket_url": f"{server.url}/fotos",
            "s3_access_key_id": ACCESS_KEY_ID,
            "s3_secret_access_key": SECRET_ACCESS_KEY,
        }
        with run_api(dsn, **settings) as api, closing(api.connect()) as client:
            answers = [fetch(client, 9) for _ in range(2)]
            assert [one.status for one in answers] == [302, 302]
            [address] = {one.headers["location"] for one in answers}
            got = httpx.get(address, trust_env=False)
            assert (got.status_code, got.content) == (200, PICTURE)
            assert httpx.get(address.replace("640", "641"), trust_env=False).status_code == 403


def test_a_presigned_address_is_another_one_tomorrow() -> None:
    bucket = Bucket("https://s3.example/fotos", "us-east-1", "id", "segredo")
    morning, evening, tomorrow = (
        bucket.locate(LARGER, now=datetime(2026, 11, day, hour, tzinfo=UTC))
        for day, hour in ((23, 1), (23, 23), (24, 1))
    )
    assert morning == evening != tomorrow
    assert "X-Amz-Date=20261123T000000Z&X-Amz-Expires=172800" in morning


def test_links_to_originals_only_where_sgp_can_be_asked() -> None:
    links = MediaLinks("https://loja.example", b"m" * 32, Path("/media"))
    assert links.link("6/original") is None
    live = MediaLinks("https://loja.example", b"m" * 32, None, live=True)
    assert (live.link("6/original") or "").startswith("https://loja.example/miniaturas/6/original?s=")
    assert live.link(LARGER) is None
