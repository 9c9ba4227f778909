"""What one caller may send, hold and ask, and what is too much to be kept."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import (
    TOKEN_KEYS,
    Client,
    RunningApi,
    make_token,
    run_api,
    touch,
)
from vps_readapi.auth.tokens import Claims, Tokens

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

PEDIDOS = 1200


def send_raw(api: RunningApi, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as raw:
        for piece in pieces:
            raw.sendall(piece)
        return raw.recv(65536)


def test_too_long_an_address_or_head_is_refused(api: RunningApi) -> None:
    assert send_raw(api, b"GET /?" + b"x" * 9000 + b" HTTP/1.1\r\n").startswith(b"HTTP/1.1 414 ")
    assert send_raw(api, b"GET / HTTP/1.1\r\nx: " + b"x" * 40000).startswith(b"HTTP/1.1 431 ")
    body = json.dumps({"username": "a", "password": "x" * 20000})
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
    connection.request("POST", "/auth/login", body=body)
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (b"NOT HTTP\r\n\r\n", 400, "Requisição inválida"),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, "Requisição inválida"),
        (b"GET /?" + b"x" * 9000 + b" HTTP/1.1\r\n", 414, "Requisição grande demais"),
    ],
)
def test_what_is_refused_before_it_is_read_is_a_problem_that_any_page_may_read(
    api: RunningApi, sent: bytes, status: int, detail: str
) -> None:
    head, _, body = send_raw(api, sent).partition(b"\r\n\r\n")
    fields = head.lower().split(b"\r\n")
    assert fields[0].startswith(b"http/1.1 %d " % status)
    assert {b"content-type: application/problem+json", b"access-control-allow-origin: *"} <= set(fields)
    assert (json.loads(body)["status"], json.loads(body)["detail"]) == (status, detail)


def test_a_connection_that_is_used_stays_and_one_that_is_not_ends(dsn: str) -> None:
    """The first goes the long way once, and the short way from then on."""
    with run_api(dsn, keep_alive_s="1") as brief:
        client = brief.connect()
        assert client.get("/auth/me").status == 200
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            assert client.get("/pedidos/1").status == 200
            time.sleep(0.05)
        client.close()
        for unfinished in (b"", b"GET / HTTP/1.1\r\nhost: x\r\n", LOGIN_WITHOUT_ITS_BODY):
            with socket.create_connection(("127.0.0.1", brief.port), timeout=60) as raw:
                raw.sendall(unfinished)
                while raw.recv(65536):
                    pass


LOGIN_WITHOUT_ITS_BODY = b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"


def test_requests_in_one_packet_are_all_answered_in_order(api: RunningApi) -> None:
    head = f"HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {make_token()}\r\n\r\n"
    one, two = (f"GET /pedidos/{n} {head}".encode() for n in (1, 2))
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as raw:
        received = b""
        for piece in (one, two, one + two, one[:30], one[30:] + two):
            raw.sendall(piece)
        raw.settimeout(60)
        while received.count(b"HTTP/1.1 200") < 6 or not received.endswith(b"]}"):
            received += raw.recv(65536)
    bodies = [part.split(b'"id":')[1].split(b",")[0] for part in received.split(b"HTTP/1.1 200")[1:]]
    assert bodies == [b"1", b"2", b"1", b"2", b"1", b"2"]


def test_one_user_may_not_ask_the_database_without_end(dsn: str) -> None:
    with run_api(dsn, rate_per_s="0.2", rate_burst="5") as api:
        client = api.connect()
        assert client.get("/pedidos/1").status == 200
        answers = [client.get("/pedidos/?limit=1") for _ in range(8)]
        assert [one.status for one in answers].count(429) >= 2
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert {client.get("/pedidos/1").status for _ in range(30)} == {200}
        assert wait_until(lambda: client.get("/pedidos/?limit=1").status == 200, 60), "refused for ever"
        client.close()


def test_what_memory_must_read_first_counts_once_and_only_for_whom_it_is(dsn: str) -> None:
    with run_api(dsn, rate_per_s="0.001", rate_burst="5") as api:
        old = Tokens(TOKEN_KEYS, timedelta(days=1)).issue(Claims(1, "admin"), credential_at=5)
        stranger, client, other = (Client(api.port, token=one) for one in (old, None, make_token(2)))
        assert {stranger.get(path).status for path in ("/pedidos/1", "/auth/me") for _ in range(5)} == {401}
        paths = ("/pedidos/1", "/pedidos/", "/pedidos/99999", "/pedidos/?limit=1", "/auth/me", "/pedidos/2")
        answers = [client.get(path) for path in paths]
        assert [one.status for one in answers] == [200, 200, 404, 200, 200, 429]
        assert answers[-1].json()["detail"].startswith("Muitas requisições")
        assert {"retry-after", "sync-state", "access-control-allow-origin"} <= answers[-1].headers.keys()
        assert [client.get(path).status for path in ("/pedidos/1", "/pedidos/")] == [200, 200]
        assert other.get("/pedidos/2").status == client.get("/pedidos/2").status == 200
        for one in (stranger, client, other):
            one.close()


@pytest.fixture(scope="module")
def small_api(dsn: str) -> Iterator[RunningApi]:
    """One that keeps a list of few orders."""
    with run_api(dsn, list_orders="10") as api:
        yield api


@pytest.mark.parametrize("path", ["/pedidos/", "/pedidos/?desde=", "/pedidos/status/pronto", "/pedidos/1"])
def test_what_fails_before_its_first_order_is_a_problem(
    small_api: RunningApi, writer: Connection, path: str
) -> None:
    with closing(small_api.connect()) as client:
        touch(writer, 1)  # what was kept is read again
        writer.execute("REVOKE SELECT ON vitrine.miniaturas FROM ponte_api")
        try:
            answer = client.get(path)
        finally:
            writer.execute("GRANT SELECT ON vitrine.miniaturas TO ponte_api")
        assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert client.get(path).status == 200


def test_as_many_orders_as_are_asked_for_come_piece_by_piece(api: RunningApi) -> None:
    client = api.connect()
    ids = [one["id"] for one in client.get("/pedidos/").json()]
    assert len(ids) == 1200
    for query, wanted in {
        "limit=1001": ids[:1001],
        "skip=3&limit=1100": ids[3:1103],
        "limit=2000000000": ids,
        "skip=1": ids[1:],
        "skip=1150&limit=2000": ids[1150:],
        "skip=2000&limit=2000": [],
    }.items():
        answer = client.get(f"/pedidos/?{query}")
        assert [one["id"] for one in answer.json()] == wanted
        assert "content-length" not in answer.headers, "it is made piece by piece"
        following = answer.headers.get("link", "").partition("<")[2].partition(">")[0]
        assert bool(following) == (wanted[-1:] not in ([], ids[-1:]))
        if following:
            rest = [one["id"] for one in client.get(following).json()]
            assert rest == ids[ids.index(wanted[-1]) + 1 :]
    assert client.get("/pedidos/?limit=0").json() == []
    client.close()


def test_more_orders_than_are_kept_are_streamed(small_api: RunningApi, dsn: str) -> None:
    with connect(dsn) as conn, closing(small_api.connect()) as client:
        row = conn.execute("SELECT count(*) FROM vitrine.pedidos").fetchone()
        assert row is not None
        assert len(client.get("/pedidos/").json()) == row[0]
