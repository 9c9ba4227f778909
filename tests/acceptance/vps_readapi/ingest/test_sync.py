"""The push over HTTP: what is taken, what is refused and counted; nothing twice, nothing by halves."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from db.engines import Connection
from db.sync import CHANGES_PATH, MAX_BODY_BYTES, POSITION_PATH, TABLE_PATH, Batch, Upsert
from db.waiting import wait_until
from db.webhooks import ID, SIGNATURE, TIMESTAMP
from tests.fix_clusters import Servers
from tests.fix_ingest import (
    API_KEY,
    NAME,
    PREVIOUS_SECRET,
    SECRET,
    SGP_API_KEY,
    SOURCE,
    PushedWindow,
    RunningIngest,
    delete,
    lsn,
    make_nonce,
    read_orders,
    run_ingest,
    upsert,
)

DEADLINE_S = 60.0
PACK = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
SGP_SENDS = {
    "pedido_id": 1, "numero": "0000000001", "cliente_nome": "Agência Ção", "status": "pendente",
    "valor_total": 403.0, "updated_at": "2026-11-23T12:27:45.264448Z",
}  # fmt: skip
SGP_FIELDS = {"content-type": "application/json", "x-api-key": SGP_API_KEY}


@pytest.fixture
def window(pushed_window: PushedWindow, running_ingest: RunningIngest) -> Iterator[Connection]:
    """A superuser's session in an empty window, with the ingest before it."""
    pushed_window.empty()
    with pushed_window.connect() as conn:
        yield conn


def batch(window: PushedWindow, *changes: Any, **said: Any) -> Batch:
    return Batch(**{"source": SOURCE, "position": lsn(next(window.at)), "changes": changes, **said})


def refused(ingest: RunningIngest, reason: str) -> float:
    """Return how often something was refused for a reason."""
    wanted = f'ponte_ingest_refusals_total{{reason="{reason}"}} '
    found = [line for line in ingest.read_metrics().splitlines() if line.startswith(wanted)]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


# ---------------------------------------------------------------- what is taken


def test_a_batch_is_applied_and_answered_with_counts_and_the_position(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    assert running_ingest.ask_position().body == {"source": None, "position": None, "versao": None}
    first = batch(pushed_window, upsert(1, 5, cliente="Ação"), upsert(2, 6), delete(3))
    answer = running_ingest.push(first)
    assert (answer.status, answer.counts) == (200, (2, 0, 0))
    assert answer.body["position"] == first.position
    assert running_ingest.ask_position().body == {
        "source": SOURCE,
        "position": first.position,
        "versao": 6,
    }
    again = running_ingest.push(first)
    assert (again.status, again.counts, again.body["position"]) == (200, (0, 0, 0), first.position)
    assert read_orders(window) == [(1, 5, "Ação", "pendente"), (2, 6, "", "pendente")]


@pytest.mark.parametrize("encoding", PACK)
def test_a_compressed_body_is_signed_as_it_is_unpacked(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection, encoding: str
) -> None:
    body = batch(pushed_window, upsert(1, 5)).to_json()
    fields = {**running_ingest.sign(body), "content-encoding": encoding}
    answer = running_ingest.request("POST", CHANGES_PATH, PACK[encoding](body), fields)
    assert (answer.status, answer.counts) == (200, (1, 0, 0))


def test_what_a_newer_sender_says_beside_is_ignored_and_counted(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    changes = [upsert(1, 5, novo="x"), Upsert(table="nova", row={"id": "1"})]
    body = json.loads(batch(pushed_window, *changes).to_json()) | {"more": True}
    encoded = json.dumps(body).encode()
    answer = running_ingest.request("POST", CHANGES_PATH, encoded, running_ingest.sign(encoded))
    assert (answer.status, answer.counts) == (200, (1, 0, 0))
    assert answer.body["ignored"] == {"pedidos.novo": 1, "nova": 1}


def test_parts_appear_with_the_last_and_one_that_died_halfway_begins_again(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    at, later = lsn(next(pushed_window.at)), lsn(next(pushed_window.at))
    answer = running_ingest.push(batch(pushed_window, upsert(1, 5), position=at, last=False))
    assert (answer.status, answer.body["staged"], answer.counts) == (200, True, (0, 0, 0))
    assert read_orders(window) == []
    # The sender died, and cuts anew when it is back.
    orphan = running_ingest.push(batch(pushed_window, upsert(9, 9), position=later, part=1))
    assert (orphan.status, orphan.body["reason"]) == (409, "unbegun")
    for part, key in enumerate((2, 3)):
        said = {"position": later, "part": part, "last": key == 3}
        answer = running_ingest.push(batch(pushed_window, upsert(key, 6 + key), **said))
    assert (answer.status, answer.body["staged"], answer.counts) == (200, False, (2, 0, 0))
    assert [key for key, *_ in read_orders(window)] == [2, 3]


def test_a_sender_that_is_elsewhere_or_was_followed_by_another_is_told(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    moved = running_ingest.push(batch(pushed_window, upsert(1, 5), after="0/1"))
    assert (moved.status, moved.body["reason"]) == (409, "moved")
    assert running_ingest.push(batch(pushed_window, upsert(1, 5))).status == 200
    anew = "7400000000000000001/2"
    assert running_ingest.push(batch(pushed_window, upsert(1, 6), source=anew, position="0/1")).status == 200
    before = refused(running_ingest, "superseded")
    late = running_ingest.push(batch(pushed_window, delete(1)))
    assert (late.status, late.body["reason"]) == (409, "superseded")
    assert refused(running_ingest, "superseded") == before + 1
    assert running_ingest.ask_position().body == {"source": anew, "position": "0/1", "versao": 6}
    assert [key for key, *_ in read_orders(window)] == [1]


def test_a_list_of_any_window_tables_rows_is_taken(running_ingest: RunningIngest, window: Connection) -> None:
    photo = {"id": 3, "pedido_id": 7, "filename": "a.jpg", "criado_em": "2026-01-01T10:00:00Z", "versao": 5}
    answer = running_ingest.push_list([photo], table="imagens")
    assert answer.body["applied"] == {"imagens": {"written": 1, "dropped": 0, "deleted": 0}}
    order = {"id": 7, "versao": 6, "cliente": "a", "items": [{"id": 7000}], "avisos": ["x"], "pronto": True}
    sgp = SGP_SENDS | {"pedido_id": 8}
    answer = running_ingest.push_list([order, sgp, {"id": 9, "versao": 5, "deleted": True}])
    assert (answer.status, answer.counts) == (200, (2, 0, 0))
    assert read_orders(window, "id, cliente, items::text, avisos, pronto") == [
        (7, "a", '[{"id": 7000}]', ["x"], True), (8, "Agência Ção", "[]", [], False),
    ]  # fmt: skip


# ---------------------------------------------------------------- today's SGP


def test_todays_sgp_is_taken_unsigned_by_its_own_key_and_address(
    running_ingest: RunningIngest, window: Connection
) -> None:
    path = TABLE_PATH + "pedidos"
    made = running_ingest.request("POST", path, json.dumps([SGP_SENDS]).encode(), SGP_FIELDS)
    assert (made.status, made.counts) == (200, (1, 0, 0))
    assert read_orders(window, "cliente, valor_total::text") == [("Agência Ção", "403.00")]
    gone = json.dumps([SGP_SENDS | {"deleted": True}]).encode()
    assert running_ingest.request("POST", path, gone, SGP_FIELDS).counts == (0, 0, 1)
    fields = SGP_FIELDS | {"x-forwarded-for": "127.0.0.1"}
    elsewhere = running_ingest.request("POST", path, gone, fields, source="127.0.0.2")
    assert (elsewhere.status, elsewhere.body["reason"]) == (403, "address")


@pytest.mark.parametrize("path", [CHANGES_PATH, TABLE_PATH + "imagens"])
def test_sgps_key_opens_nothing_else(running_ingest: RunningIngest, path: str) -> None:
    answer = running_ingest.request("POST", path, b"[]", SGP_FIELDS)
    assert (answer.status, answer.body["reason"]) == (401, "api_key")


def test_whole_rows_are_never_taken_unsigned(running_ingest: RunningIngest, window: Connection) -> None:
    body = json.dumps([{"id": 7, "versao": 6}]).encode()
    answer = running_ingest.request("POST", TABLE_PATH + "pedidos", body, SGP_FIELDS)
    assert (answer.status, answer.body["fields"]) == (422, ["0.pedido_id"])


# ---------------------------------------------------------------- who is not believed


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"x-api-key": "b" * 40}, 401, "api_key"),
        ({SIGNATURE: ""}, 401, "unsigned"),
        ({ID: "a.b"}, 401, "unsigned"),
        ({TIMESTAMP: "1700000000"}, 401, "stale"),
        ({TIMESTAMP: "4102444800"}, 401, "stale"),
        ({ID: "msg_another"}, 401, "signature"),
        ({SIGNATURE: "v1,AAAA"}, 401, "signature"),
        ({"content-encoding": "br"}, 415, "encoding"),
        ({"content-encoding": "zstd"}, 415, "encoding"),
    ],
)
def test_who_is_not_believed_is_refused_and_counted(
    running_ingest: RunningIngest,
    pushed_window: PushedWindow,
    window: Connection,
    change: dict[str, str],
    status: int,
    reason: str,
) -> None:
    before = refused(running_ingest, reason)
    body = batch(pushed_window, upsert(1, 5)).to_json()
    answer = running_ingest.request("POST", CHANGES_PATH, body, running_ingest.sign(body) | change)
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert refused(running_ingest, reason) == before + 1
    assert read_orders(window) == []


def test_a_tampered_body_and_one_signed_by_a_stranger_are_refused(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    body = batch(pushed_window, upsert(1, 5, cliente="a")).to_json()
    tampered = body.replace(b'"a"', b'"b"')
    answer = running_ingest.request("POST", CHANGES_PATH, tampered, running_ingest.sign(body))
    assert (answer.status, answer.body["reason"]) == (401, "signature")
    stranger = PREVIOUS_SECRET[:-4] + "AAAA"
    answer = running_ingest.push(batch(pushed_window, upsert(1, 5)), secret=stranger)
    assert (answer.status, answer.body["reason"]) == (401, "signature")
    assert running_ingest.request("GET", POSITION_PATH, fields={"x-api-key": API_KEY}).status == 401
    assert read_orders(window) == []


def test_both_live_secrets_are_good_while_one_follows_the_other(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    for key, secret in enumerate((PREVIOUS_SECRET, SECRET), start=1):
        assert running_ingest.push(batch(pushed_window, upsert(key, 5)), secret=secret).status == 200
    assert [key for key, *_ in read_orders(window)] == [1, 2]


# ---------------------------------------------------------------- once


def test_a_replayed_request_changes_nothing_and_a_used_id_is_good_for_no_other_body(
    running_ingest: RunningIngest, window: Connection
) -> None:
    path, nonce = TABLE_PATH + "pedidos", make_nonce()
    body = json.dumps([{"id": 7, "versao": 6}]).encode()
    fields = running_ingest.sign(body, nonce=nonce)
    assert running_ingest.request("POST", path, body, fields).counts == (1, 0, 0)
    window.execute("DELETE FROM vitrine.pedidos")
    assert running_ingest.request("POST", path, body, fields).counts == (0, 0, 0)
    signed_again = running_ingest.sign(body, nonce=nonce)
    assert running_ingest.request("POST", path, body, signed_again).counts == (0, 0, 0)
    other = running_ingest.sign(body + b" ", nonce=nonce)
    for where in (path, TABLE_PATH + "imagens"):
        answer = running_ingest.request("POST", where, body + b" ", other)
        assert (answer.status, answer.body["reason"]) == (409, "reused")
    assert read_orders(window) == []


def test_of_many_equal_requests_at_once_one_is_applied(
    running_ingest: RunningIngest, window: Connection
) -> None:
    body = json.dumps([{"id": 7, "versao": 6}]).encode()
    fields = running_ingest.sign(body)
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: running_ingest.request("POST", TABLE_PATH + "pedidos", body, fields), range(12)
            )
        )
    assert [one.status for one in answers] == [200] * 12
    assert sorted(one.counts for one in answers) == [(0, 0, 0)] * 11 + [(1, 0, 0)]


def test_a_retry_after_a_failure_is_no_replay(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    one = batch(pushed_window, upsert(1, 5))
    nonce = make_nonce()
    with pushed_window.connect() as apply, apply.transaction():
        apply.execute("LOCK TABLE vitrine.pedidos IN ROW EXCLUSIVE MODE")
        answer = running_ingest.push(one, nonce=nonce)
    assert (answer.status, answer.body["reason"]) == (503, "busy")
    assert running_ingest.push(one, nonce=nonce).counts == (1, 0, 0)


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "upsert", "table": "pedidos", "row": {"id": "x", "versao": "6"}}, "changes.1.row.id"),
        ({"kind": "upsert", "table": "pedidos", "row": {"versao": "6"}}, "changes.1.row.id"),
        (
            {"kind": "upsert", "table": "pedidos", "row": {"id": "2", "versao": "6", "items": "[NaN]"}},
            "changes.1.row.items",
        ),
        (
            {"kind": "upsert", "table": "pedidos", "row": {"id": "2", "versao": "6", "valor_total": "1e15"}},
            "changes.1.row.valor_total",
        ),
        (
            {"kind": "upsert", "table": "pedidos", "row": {"id": "2", "versao": "6", "cliente": None}},
            "changes.1.row.cliente",
        ),
        ({"kind": "upsert", "table": "pedidos", "row": {"id": 2}}, "changes.1.row.id"),
        ({"kind": "delete", "table": "pedidos", "key": "x"}, "changes.1.key"),
        ({"kind": "delete", "table": "pedidos"}, "changes.1.key"),
        ({"kind": "merge"}, "changes.1"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_applied(
    running_ingest: RunningIngest,
    pushed_window: PushedWindow,
    window: Connection,
    wrong: dict[str, Any],
    field: str,
) -> None:
    body = json.loads(batch(pushed_window, upsert(1, 5)).to_json())
    body["changes"].append(wrong)
    encoded = json.dumps(body).encode()
    answer = running_ingest.request("POST", CHANGES_PATH, encoded, running_ingest.sign(encoded))
    assert (answer.status, answer.body["fields"]) == (422, [field])
    assert read_orders(window) == []
    assert running_ingest.ask_position().body["position"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"{}", "body"),
        (b"[1]", "0"),
        (b'[{"id": 1, "versao": 5, "data_entrega": "32/01/2026"}]', "0.data_entrega"),
        (b'[{"id": "x", "versao": 5, "deleted": true}]', "0.id"),
        (b'[{"pedido_id": "x"}]', "0.pedido_id"),
        (b'[{"pedido_id": 1, "updated_at": "now"}]', "0.updated_at"),
    ],
)
def test_a_wrong_list_is_told_where(running_ingest: RunningIngest, body: bytes, field: str) -> None:
    answer = running_ingest.request("POST", TABLE_PATH + "pedidos", body, running_ingest.sign(body))
    assert (answer.status, answer.body["fields"]) == (422, [field])


def test_a_wrong_field_of_a_part_that_waited_is_named_by_its_part(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    at = lsn(next(pushed_window.at))
    bad = upsert(2, 6, data_entrega="32/01/2026")
    assert running_ingest.push(batch(pushed_window, upsert(1, 5), bad, position=at, last=False)).status == 200
    answer = running_ingest.push(batch(pushed_window, upsert(3, 7), position=at, part=1))
    assert (answer.status, answer.body["fields"]) == (422, ["parts.0.changes.1.row.data_entrega"])
    assert read_orders(window) == []


def test_a_table_that_the_window_has_not_is_not_found(running_ingest: RunningIngest) -> None:
    for table in ("mudancas", "alembic_version", "a%22b"):
        answer = running_ingest.push_list([], table=table)
        assert (answer.status, answer.body["reason"]) == (404, "unknown_table")


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_costs_nothing_but_a_refusal(running_ingest: RunningIngest, encoding: str) -> None:
    bomb = PACK[encoding](bytes(64 * MAX_BODY_BYTES // 4)) if encoding == "gzip" else _make_zstd_bomb()
    assert len(bomb) < 2**20
    fields = {**running_ingest.sign(b"{}"), "content-encoding": encoding}
    answer = running_ingest.request("POST", CHANGES_PATH, bomb, fields)
    assert (answer.status, answer.body["reason"]) == (413, "too_large")


def _make_zstd_bomb() -> bytes:
    """Return 4 GB of nothing, in a few hundred kB."""
    packing = zstandard.ZstdCompressor(level=3).compressobj()
    piece = bytes(2**22)
    return b"".join(packing.compress(piece) for _ in range(64)) + packing.flush()


def test_a_body_that_says_that_it_is_too_large_is_not_read(running_ingest: RunningIngest) -> None:
    fields = {**running_ingest.sign(b"{}"), "content-length": str(10**9)}
    answer = running_ingest.request("POST", CHANGES_PATH, b"{}", fields)
    assert (answer.status, answer.body["reason"]) == (413, "too_large")


# ---------------------------------------------------------------- the database away


def test_a_connection_that_broke_unnoticed_costs_no_push(
    running_ingest: RunningIngest, pushed_window: PushedWindow, window: Connection
) -> None:
    for key in range(1, 4):
        assert running_ingest.push(batch(pushed_window, upsert(key, 5))).counts == (1, 0, 0)
        ended = window.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'ponte-ingest'"
        ).fetchall()
        assert ended
        assert set(ended) == {(True,)}


@pytest.mark.spoils
def test_while_the_database_is_away_a_push_is_told_so_and_it_is_said_once(
    pushed_window: PushedWindow, servers: Servers, tmp_path: Path
) -> None:
    with run_ingest(pushed_window.role_dsn, tmp_path) as ingest, servers.connect("vps", "postgres") as admin:
        admin.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false".encode())
        try:
            for _ in range(3):
                answer = ingest.push(batch(pushed_window, upsert(50, 5)))
                assert (answer.status, answer.body["reason"]) == (503, "away")
        finally:
            admin.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true".encode())
        assert wait_until(lambda: ingest.push(batch(pushed_window, upsert(50, 5))).status == 200, DEADLINE_S)
        events = [json.loads(line)["event"] for line in ingest.log.read_text().splitlines() if line[0] == "{"]
    assert (events.count("database_lost"), events.count("database_back")) == (1, 1)
