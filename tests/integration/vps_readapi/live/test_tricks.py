"""Tricks on both sides of live questions: of callers with addresses and headers, of answers with all else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.waiting import wait_until
from tests.fix_api import Client, RunningApi, Windows, make_token, run_api
from tests.fix_sgp import RunningSgp, run_sgp
from tests.sgp_server import ENDLESS, TRICKS, TRICKS_FROM

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(300)]

SECONDS = 2.0
SLACK_S = 20.0
PATIENCE_S = 60.0
PASS = {1009, 1027}
"""What is odd and can be used: fields that go no further, and gzip as it was asked for."""
STATUS = {1021: 403, 1022: 404, 1023: 400} | dict.fromkeys(PASS, 200)
"""What is answered; to whatever isn't named, 503."""


@pytest.fixture(scope="module")
def sgp() -> Iterator[RunningSgp]:
    with run_sgp() as one:
        yield one


@pytest.fixture(scope="module")
def api(sgp: RunningSgp, windows: Windows) -> Iterator[RunningApi]:
    settings = {"live_url": sgp.url, "live_seconds": str(SECONDS), "live_setores_relatorios": "*"}
    with windows.open(pedidos=3) as dsn, run_api(dsn, **settings) as one:
        yield one


def is_live(api: RunningApi) -> bool:
    with closing(api.connect()) as client:
        return client.get("/materiais/7").status == 200


@pytest.fixture(autouse=True)
def quiet(api: RunningApi, sgp: RunningSgp) -> None:
    assert wait_until(lambda: is_live(api), PATIENCE_S)
    sgp.forget()


# ---------------------------------------------------------------- answers


def peak_kb(api: RunningApi) -> int:
    """Return the most memory that the API's process has had."""
    status = Path(f"/proc/{api.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.parametrize("number", sorted(TRICKS))
def test_no_answer_of_sgps_does_harm(api: RunningApi, sgp: RunningSgp, number: int) -> None:
    before = peak_kb(api)
    with closing(api.connect()) as client:
        answer = client.get(f"/materiais/{TRICKS_FROM + number}")
        assert answer.status == STATUS.get(number, 503), answer.content[:200]
        assert b"CANARIO" not in answer.content
        assert set(answer.headers).isdisjoint({"set-cookie", "x-evil", "location", "www-authenticate"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
        client.get("/materiais/7")
    assert peak_kb(api) - before < 30_000  # the bomb has 64 MB
    assert sgp.targets() == [f"/materiais/{TRICKS_FROM + number}", "/materiais/7"]
    assert not any("cookie" in one["headers"] for one in sgp.asked())


@pytest.mark.parametrize("number", sorted(ENDLESS))
def test_what_does_not_end_is_given_up_in_time_and_replicated_reads_go_on(
    api: RunningApi, number: int
) -> None:
    before, began = peak_kb(api), time.monotonic()
    with closing(api.connect()) as client:
        assert client.get(f"/materiais/{TRICKS_FROM + number}").status == 503
        assert client.get("/pedidos/1").status == 200
    assert time.monotonic() - began < SECONDS + SLACK_S
    assert peak_kb(api) - before < 30_000


# ---------------------------------------------------------------- addresses and headers


def send(api: RunningApi, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the end, or until nothing more does."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_S) as sock:
        sock.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = sock.recv(65536)
            if not piece:
                break
            answer += piece
        return answer


def write_request(target: bytes, *fields: bytes, host: bytes = b"Host: x\r\n", body: bytes = b"") -> bytes:
    session = b"Authorization: Bearer %s\r\n" % make_token().encode()
    return b"GET " + target + b" HTTP/1.1\r\n" + host + session + b"".join(fields) + b"\r\n" + body


ADDRESSES = [
    b"/materiais/%2e%2e/pedidos/",
    b"/materiais/..%2fusuarios",
    b"/materiais/../users",
    b"/materiais/./7/../../users",
    b"/materiais//7",
    b"//evil.example/materiais/7",
    b"/materiais/7%2f..%2f..%2fusers",
    b"/materiais/%252e%252e%252fusers",
    b"/materiais/7%00",
    b"/materiais/7%0d%0aX-Evil:%201",
    b"/materiais/7%20HTTP/1.1",
    b"/materiais/7;x=1",
    b"/materiais/7/",
    b"/materiais/7%3fx=1",
    b"/materiais/\\..\\users",
    b"/materiais/@evil.example",
    b"/materiais/+7",
    b"/materiais/0x7",
    b"/materiais/7.5",
    b"/materiais/\xd9\xa7",
    b"/materiais/stats/../../users",
    b"/MATERIAIS/7",
    b"/relatorios/..%2fusers",
    b"/relatorios/..",
    b"/relatorios/%2e%2e%2fadmin",
    b"/relatorios/fechamentos%2f..%2fusers",
    b"/relatorios/fechamentos%0d%0aHost:evil",
    b"/relatorios/envios?data_inicio=2026-01-01%0d%0aX:1",
    b"/relatorios/" + b"a" * 4000,
    b"/print-logs/?limit=1%26offset=../../users",
    b"/print-logs/printers/1%2f..%2f..%2fusers",
    b"/maquinas/dashboard/overview/../../../users",
    b"/maquinas/dashboard%2foverview%2f..",
    b"/users/",
    b"/admin/",
    b"/safira/ask",
    b"/auth/me/../../materiais/7",
    b"/pedidos/imagens/1",
    b"/internal/sync/pedidos",
    b"http://evil.example/",
    b"http://evil.example/materiais/7",
    b"http://127.0.0.1:1/users",
    b"materiais/7",
    b"*",
    b"/materiais/7#/../users",
    b"/materiais/7 HTTP/1.1\r\nHost: evil\r\nX-A: b",
    b"/materiais/7\tHTTP/1.1",
    b"/" + b"a" * 9000,
]
ALLOWED = {"/materiais/7", "/maquinas/dashboard/overview", "/print-logs/?limit=100&offset=0"}


@pytest.mark.parametrize("target", ADDRESSES, ids=range(len(ADDRESSES)))
def test_no_address_reaches_anything_but_a_declared_question(
    api: RunningApi, sgp: RunningSgp, target: bytes
) -> None:
    answer = send(api, write_request(target))
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), answer[:200]
    assert b"X-Evil" not in answer
    assert set(sgp.targets()) <= ALLOWED
    assert all(one["headers"]["host"] == f"127.0.0.1:{sgp.port}" for one in sgp.asked())
    if answer.startswith(b"HTTP/1.1 200"):
        assert target in READ_AS_ANOTHER, target
    else:
        assert sgp.asked() == []


READ_AS_ANOTHER = {
    b"/materiais/7#/../users",
    b"/materiais/+7",
    b"http://evil.example/",
    b"http://evil.example/materiais/7",
    b"/materiais/7 HTTP/1.1\r\nHost: evil\r\nX-A: b",
}
"""What the server's parser, or the number's, reads as a question that may be asked: of SGP, whatever host."""

HEADERS = {
    "host override": (
        b"X-Forwarded-Host: evil.example\r\n",
        b"X-Host: evil\r\n",
        b"Forwarded: host=evil\r\n",
    ),
    "rewritten": (b"X-Original-URL: /users/\r\n", b"X-Rewrite-URL: /users/\r\n"),
    "method": (b"X-HTTP-Method-Override: DELETE\r\n",),
    "absolute host": (b"X-Forwarded-For: 127.0.0.1\r\n", b"X-Real-IP: 127.0.0.1\r\n"),
    "hop by hop": (b"Connection: authorization, x-api-key\r\n",),
    "identity": (b"X-Api-Key: x\r\n", b"X-User-Id: 1\r\n", b"Cookie: session=1\r\n"),
    "range": (b"Range: bytes=0-10\r\n", b"If-None-Match: *\r\n", b"Expect: 100-continue\r\n"),
    "upgrade": (b"Connection: upgrade, HTTP2-Settings\r\n", b"Upgrade: h2c\r\n", b"HTTP2-Settings: AAA\r\n"),
}


@pytest.mark.parametrize("fields", HEADERS.values(), ids=list(HEADERS))
def test_no_header_changes_what_is_asked(api: RunningApi, sgp: RunningSgp, fields: tuple[bytes, ...]) -> None:
    answer = send(api, write_request(b"/materiais/7", *fields))
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 100")), answer[:200]
    assert wait_until(lambda: sgp.targets() == ["/materiais/7"], PATIENCE_S)
    [asked] = sgp.asked()
    assert asked["method"] == "GET"
    assert asked["headers"] == {
        "host": f"127.0.0.1:{sgp.port}",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": "ponte",
    }


SMUGGLED = b"GET /materiais/999 HTTP/1.1\r\nHost: x\r\n\r\n"
BROKEN = {
    "two lengths": (b"Content-Length: 5\r\n", b"Content-Length: 6\r\n"),
    "length and chunks": (b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"),
    "odd chunking": (b"Transfer-Encoding: xchunked\r\n",),
    "bare line feed": (b"X-A: b\nX-Evil: 1\r\n", b"Transfer-Encoding : chunked\r\n"),
    "name with a blank": (b"X A: b\r\n",),
    "folded": (b"X-A: b\r\n", b" Transfer-Encoding: chunked\r\n"),
    "huge": (b"X-A: " + b"a" * 40_000 + b"\r\n",),
    "many": tuple(b"X-%d: %s\r\n" % (one, b"a" * 30) for one in range(1200)),
    "null byte": (b"X-A: \x00\r\n",),
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=list(BROKEN))
def test_what_is_smuggled_in_is_never_asked(
    api: RunningApi, sgp: RunningSgp, fields: tuple[bytes, ...]
) -> None:
    request = write_request(b"/materiais/7", *fields, body=b"0\r\n\r\n" + SMUGGLED)
    answer = send(api, request)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), answer[:200]
    assert set(sgp.targets()) <= {"/materiais/7"}


def test_a_body_is_not_read_and_goes_no_further(api: RunningApi, sgp: RunningSgp) -> None:
    head = write_request(b"/materiais/7", b"Content-Length: 100000000\r\n", b"Content-Type: text/xml\r\n")
    assert send(api, head + b"x" * 65536).startswith(b"HTTP/1.1 200")
    [asked] = sgp.asked()
    assert set(asked["headers"]).isdisjoint({"content-length", "content-type", "transfer-encoding"})


def test_a_head_that_never_ends_keeps_nobody_waiting(api: RunningApi) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=PATIENCE_S) as slow:
        slow.sendall(b"GET /materiais/7 HTTP/1.1\r\nHost: x\r\nX-A: ")
        with closing(Client(api.port)) as client:
            assert client.get("/materiais/7").status == 200
            assert client.get("/pedidos/1").status == 200
