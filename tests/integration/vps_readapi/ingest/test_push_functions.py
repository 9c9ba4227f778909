"""The functions that take the push: what they write, what they drop, and what they let nobody else do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256

import psycopg
import pytest

from db.engines import Connection, connect
from db.sync import Delete, SgpPedido, Truncate, Upsert
from db.waiting import wait_until
from tests.fix_ingest import PushedWindow, Pusher, delete, lsn, make_nonce, read_orders, upsert

DEADLINE_S = 30.0


@pytest.fixture
def mirror(pushed_window: PushedWindow) -> Iterator[Connection]:
    """A session that writes as replication does, in a window that is empty."""
    pushed_window.empty()
    with pushed_window.connect() as conn:
        yield conn


@pytest.fixture
def push(mirror: Connection, pushed_window: PushedWindow) -> Iterator[Pusher]:
    """The push's role."""
    with pushed_window.session() as pusher:
        yield pusher


def sgp(key: int, at: str | None, **said: object) -> SgpPedido:
    return SgpPedido.model_validate({"pedido_id": key, "updated_at": at, **said})


def beat(conn: Connection, at: str) -> None:
    conn.execute(
        "INSERT INTO vitrine.heartbeat (id, beat, beat_at) VALUES (1, 1, %s)"
        " ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, versao = heartbeat.versao + 1",
        [at],
    )


# ---------------------------------------------------------------- rows


def test_rows_are_written_deleted_and_dropped_and_counted(push: Pusher, mirror: Connection) -> None:
    became, counted = push.take(upsert(1, 5, cliente="a"), upsert(2, 6, cliente="b"), upsert(3, 7))
    assert (became, counted["pedidos"]) == ("taken", {"written": 3, "dropped": 0, "deleted": 0})
    became, counted = push.take(upsert(1, 4, cliente="old"), upsert(2, 8, cliente="new"), delete(3))
    assert counted["pedidos"] == {"written": 1, "dropped": 1, "deleted": 1}
    assert read_orders(mirror) == [(1, 5, "a", "pendente"), (2, 8, "new", "pendente")]


def test_values_are_read_by_the_columns_types(push: Pusher, mirror: Connection) -> None:
    columns = {
        "items": '[{"id": 7000}]', "avisos": '{a,"b c"}', "valor_total": "12.50", "pronto": "t",
        "data_entrega": "2026-02-01", "data_criacao": "2026-01-01 10:00:00.5-03", "numero": None,
    }  # fmt: skip
    push.take(upsert(1, 5, **columns))
    [row] = mirror.execute(
        "SELECT jsonb_typeof(items), items -> 0 ->> 'id', avisos, valor_total::text, pronto,"
        " data_entrega::text, data_criacao::text, numero FROM vitrine.pedidos"
    ).fetchall()
    assert row == (
        "array",
        "7000",
        ["a", "b c"],
        "12.50",
        True,
        "2026-02-01",
        "2026-01-01 13:00:00.5+00",
        None,
    )


def test_a_column_that_is_not_named_stays_or_takes_its_default(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5, cliente="a", status="pronto"))
    push.take(upsert(1, 6, cliente="b"))
    assert read_orders(mirror) == [(1, 6, "b", "pronto")]


def test_bytes_and_other_tables_keys_travel(push: Pusher, mirror: Connection) -> None:
    revoked = Upsert(table="revogacoes", row={"digest": "\\x00ff", "versao": "5"})
    push.take(revoked, Upsert(table="miniaturas", row={"imagem_id": "3", "estado": "pronta", "versao": "6"}))
    assert mirror.execute("SELECT digest FROM vitrine.revogacoes").fetchall() == [(b"\x00\xff",)]
    push.take(Delete(table="revogacoes", key="\\x00ff"), Delete(table="miniaturas", key="3"))
    assert mirror.execute("SELECT FROM vitrine.revogacoes").fetchall() == []
    assert mirror.execute("SELECT FROM vitrine.miniaturas").fetchall() == []
    assert push.take(revoked)[1]["revogacoes"]["dropped"] == 1


def test_readers_hear_of_what_was_pushed_as_of_what_was_replicated(
    push: Pusher, mirror: Connection, pushed_window: PushedWindow
) -> None:
    mirror.execute("DELETE FROM guard.mudancas")
    with connect(pushed_window.dsn) as listener:
        listener.execute("LISTEN vitrine")
        push.take(upsert(1, 5), upsert(2, 6))
        heard = [one.payload.split()[0:2] for one in listener.notifies(timeout=DEADLINE_S, stop_after=2)]
    assert sorted(heard) == [["pedidos", "1"], ["pedidos", "2"]]
    assert mirror.execute("SELECT chave FROM guard.mudancas ORDER BY 1").fetchall() == [(1,), (2,)]
    [[first], [second]] = mirror.execute("SELECT cursor FROM vitrine.pedidos ORDER BY cursor").fetchall()
    assert 0 < first < second


def test_a_truncate_and_what_follows_it_replace_a_table(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5), upsert(2, 6))
    push.take(Truncate(table="pedidos"), upsert(2, 6, cliente="same version"))
    assert read_orders(mirror) == [(2, 6, "same version", "pendente")]


def test_the_first_value_that_no_column_holds_is_found(push: Pusher, mirror: Connection) -> None:
    bad = [upsert(1, 5), upsert(2, 6, data_entrega="31/12/2026"), upsert(3, 7, cliente=None)]
    with pytest.raises(psycopg.DataError):
        push.take(*bad)
    assert read_orders(mirror) == []


# ---------------------------------------------------------------- once


def test_an_id_is_good_once_and_a_retry_after_a_failure_is_no_replay(
    push: Pusher, mirror: Connection
) -> None:
    nonce, body = make_nonce(), {"tables": {"pedidos": {"rows": [{"id": "x", "versao": "5"}]}}, "partial": []}
    for _ in range(2):
        with pytest.raises(psycopg.DataError):
            push.give(body, nonce=nonce)
    body["tables"]["pedidos"]["rows"][0]["id"] = "1"  # type: ignore[index]
    assert push.give(body, nonce=nonce)[0] == "taken"
    mirror.execute("DELETE FROM vitrine.pedidos")
    assert push.give(body, nonce=nonce) == ("replayed", {})
    assert push.give(body | {"tables": {}}, nonce=nonce) == ("reused", {})
    assert read_orders(mirror) == []


def test_a_batch_that_is_here_is_not_applied_again_and_an_older_source_never(
    push: Pusher, mirror: Connection
) -> None:
    assert push.take(upsert(1, 5), position="0/20")[0] == "taken"
    mirror.execute("DELETE FROM vitrine.pedidos")
    for position in ("0/20", "0/1F"):
        assert push.take(upsert(1, 5), position=position)[0] == "had"
    assert push.take(upsert(1, 6), source="7400000000000000001/2", position="0/1")[0] == "taken"
    assert push.take(upsert(1, 7), position="0/30")[0] == "superseded"
    assert push.conn.execute("SELECT source, position::text FROM push.position()").fetchall() == [
        ("7400000000000000001/2", "0/1")
    ]


def test_who_takes_this_vps_for_elsewhere_is_told(push: Pusher) -> None:
    assert push.take(position="0/20", after="0/10")[0] == "moved"
    assert push.take(position="0/20")[0] == "taken"
    assert push.take(position="0/30", after="0/20")[0] == "taken"
    assert push.take(position="0/40", after="0/20")[0] == "moved"


def test_parts_appear_at_once_with_the_last(push: Pusher, mirror: Connection) -> None:
    at = lsn(500)
    assert push.take(upsert(1, 5), upsert(2, 6), position=at, last=False) == ("staged", {})
    assert push.take(delete(1), position=at, part=1, last=False) == ("staged", {})
    assert read_orders(mirror) == []
    became, counted = push.take(upsert(3, 7), position=at, part=2)
    assert (became, counted["pedidos"]) == ("taken", {"written": 3, "dropped": 0, "deleted": 1})
    assert [key for key, *_ in read_orders(mirror)] == [2, 3]
    assert push.take(upsert(3, 7), position=at, part=2)[0] == "had"
    assert mirror.execute("SELECT FROM push.parts").fetchall() == []


def test_parts_that_died_halfway_begin_again_and_leave_nothing(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5), position=lsn(500), last=False)
    push.take(upsert(2, 6), position=lsn(500), part=1, last=False)
    assert push.take(upsert(9, 9), position=lsn(600), part=1)[0] == "unbegun"
    assert push.take(upsert(9, 9), position=lsn(500), part=3)[0] == "unbegun"
    push.take(upsert(4, 7), position=lsn(600), last=False)
    assert push.take(upsert(9, 9), position=lsn(600), part=2)[0] == "unbegun"
    assert push.take(upsert(5, 8), position=lsn(600), part=1)[0] == "taken"
    assert [key for key, *_ in read_orders(mirror)] == [4, 5]


def test_a_part_that_was_kept_once_is_kept_again_by_the_same_request(
    push: Pusher, mirror: Connection
) -> None:
    first, second = make_nonce(), make_nonce()
    at = lsn(500)
    push.take(upsert(1, 5), position=at, last=False, nonce=first)
    push.take(upsert(2, 6), position=at, part=1, last=False, nonce=second)
    for _ in range(2):
        assert push.take(upsert(1, 5), position=at, last=False, nonce=first)[0] == "staged"
        assert push.take(upsert(2, 6), position=at, part=1, last=False, nonce=second)[0] == "staged"
    assert push.take(upsert(3, 7), position=at, part=2, nonce=first)[0] == "reused"
    assert push.take(upsert(3, 7), position=at, part=2)[0] == "taken"
    assert push.take(upsert(1, 5), position=at, last=False, nonce=first)[0] == "had"
    assert [key for key, *_ in read_orders(mirror)] == [1, 2, 3]


def test_more_parts_than_may_wait_are_refused_and_thrown_away(push: Pusher, mirror: Connection) -> None:
    [kept] = mirror.execute("SELECT pg_get_functiondef('push.most_waiting()'::regprocedure)").fetchone() or ()
    few = kept.replace("1073741824", "30000")
    assert few != kept
    at, noise = lsn(900), "".join(sha256(str(one).encode()).hexdigest() for one in range(400))
    mirror.execute(few)
    try:
        assert push.take(upsert(1, 5, cliente=noise), position=at, last=False)[0] == "staged"
        became, _ = push.take(upsert(2, 5, cliente=noise), position=at, part=1, last=False)
        assert became == "overfull"
        assert mirror.execute("SELECT FROM push.parts").fetchall() == []
        assert push.take(upsert(1, 5), position=at)[0] == "taken"
    finally:
        mirror.execute(kept)


def test_a_copy_that_is_begun_anew_leaves_nothing_of_the_one_before(push: Pusher, mirror: Connection) -> None:
    first, second, stranger = "74/a", "74/b", "75/a"
    for source in (stranger, first, second):
        assert push.take(upsert(1, 5), source=source, last=False)[0] == "staged"
    left = mirror.execute("SELECT source FROM push.parts ORDER BY source").fetchall()
    assert left == [(second,), (stranger,)]


def test_what_is_old_is_swept(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5), delete(1), last=False)
    push.take_list({"id": 1, "versao": 5, "deleted": True})
    mirror.execute("UPDATE push.parts SET received_at = received_at - interval '25 hours'")
    mirror.execute("UPDATE push.nonces SET used_at = used_at - interval '61 minutes'")
    mirror.execute("UPDATE guard.tombstones SET buried_at = buried_at - interval '73 hours'")
    beat(mirror, "2026-01-01 10:00:00+00")
    assert mirror.execute("SELECT FROM push.parts").fetchall() == []
    assert mirror.execute("SELECT FROM push.nonces").fetchall() == []
    assert mirror.execute("SELECT FROM guard.tombstones").fetchall() == []


def test_a_row_is_found_by_its_key_and_no_plan_is_forgotten(push: Pusher) -> None:
    [declared] = push.conn.execute("SHOW session_replication_role").fetchone() or ()
    assert declared == "replica"  # a change of it empties PostgreSQL's cache of plans
    push.take(upsert(1, 5))
    with push.conn.transaction():
        assert push.take(upsert(1, 6), upsert(2, 7))[1]["pedidos"]["written"] == 2
        scanned = push.conn.execute(
            "SELECT relname, seq_scan FROM pg_stat_xact_all_tables"
            " WHERE relname IN ('pedidos', 'tombstones') AND seq_scan > 0"
        ).fetchall()
    assert scanned == []


# ---------------------------------------------------------------- deletions


def test_a_late_row_does_not_raise_the_dead_and_a_new_one_lives(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5))
    push.take(upsert(9, 8), delete(1))
    assert push.take_list({"id": 1, "versao": 7})[1]["pedidos"]["dropped"] == 1
    mirror.execute("INSERT INTO vitrine.pedidos (id, versao) VALUES (1, 7)")
    assert [key for key, *_ in read_orders(mirror)] == [9]
    assert push.take(upsert(1, 10))[1]["pedidos"]["written"] == 1


def test_a_late_delete_spares_what_another_road_has_brought_since(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5))
    mirror.execute("UPDATE vitrine.pedidos SET versao = 9 WHERE id = 1")
    assert push.take(delete(1))[1]["pedidos"]["deleted"] == 0
    assert push.take(upsert(1, 9, cliente="again"))[1]["pedidos"]["written"] == 1


def test_what_apply_deletes_is_remembered_and_what_is_swept_is_not(push: Pusher, mirror: Connection) -> None:
    push.take(upsert(1, 5), upsert(2, 6))
    mirror.execute("DELETE FROM vitrine.pedidos WHERE id = 2")
    mirror.execute("SELECT pg_replication_origin_create('pushed_test')")
    try:
        mirror.execute("SELECT pg_replication_origin_session_setup('pushed_test')")
        mirror.execute("DELETE FROM vitrine.pedidos WHERE id = 1")
    finally:
        mirror.execute("SELECT pg_replication_origin_session_reset()")
        mirror.execute("SELECT pg_replication_origin_drop('pushed_test')")
    counted = push.take_list({"id": 1, "versao": 5}, {"id": 2, "versao": 6})[1]
    assert counted["pedidos"] == {"written": 1, "dropped": 1, "deleted": 0}
    assert [key for key, *_ in read_orders(mirror)] == [2]


# ---------------------------------------------------------------- what SGP itself says


def test_sgp_makes_an_order_and_every_whole_row_is_newer(push: Pusher, mirror: Connection) -> None:
    said = sgp(1, "2026-01-01T10:00:00Z", cliente_nome="a", status="pronto", valor_total=4.5)
    assert push.take_list(said)[1]["pedidos"] == {"written": 1, "dropped": 0, "deleted": 0}
    assert read_orders(mirror, "id, versao, cliente, status, valor_total::text") == [
        (1, 0, "a", "pronto", "4.50")
    ]
    push.take(upsert(1, 5, cliente="whole", status="entregue"))
    assert read_orders(mirror) == [(1, 5, "whole", "entregue")]


def test_of_what_sgp_says_the_newest_counts_whatever_came_first(push: Pusher, mirror: Connection) -> None:
    newer = sgp(1, "2026-01-01T10:00:02Z", status="pronto", cliente_nome="a")
    older = sgp(1, "2026-01-01T10:00:01Z", status="pendente")
    assert push.take_list(newer, older)[1]["pedidos"] == {"written": 1, "dropped": 1, "deleted": 0}
    assert read_orders(mirror) == [(1, 0, "a", "pronto")]


@pytest.mark.parametrize(
    ("row_at", "beat_at", "status"),
    [
        ("2026-01-01 10:00:02+00", "2026-01-01 09:00:00+00", "entregue"),
        ("2026-01-01 10:00:01+00", "2026-01-01 09:00:00+00", "entregue"),
        ("2026-01-01 10:00:00+00", "2026-01-01 09:00:00+00", "pronto"),
        ("2026-01-01 10:00:00+00", "2026-01-01 10:00:01+00", "entregue"),
    ],
    ids=["newer row", "same change", "older row", "the mirror has come past it"],
)
def test_sgp_never_overwrites_a_whole_row_that_is_as_new(
    push: Pusher, mirror: Connection, row_at: str, beat_at: str, status: str
) -> None:
    beat(mirror, beat_at)
    push.take(upsert(1, 5, status="entregue", cliente="whole", items="[1]", ultima_atualizacao=row_at))
    push.take_list(sgp(1, "2026-01-01T10:00:01Z", status="pronto"))
    assert read_orders(mirror, "versao, status, cliente, items::text") == [(5, status, "whole", "[1]")]


def test_the_mirror_has_the_last_word_a_minute_later(push: Pusher, mirror: Connection) -> None:
    beat(mirror, "2026-01-01 09:00:00+00")
    push.take(upsert(1, 5, status="entregue", ultima_atualizacao="2026-01-01 09:00:00+00"), upsert(2, 6))
    push.take_list(sgp(1, "2026-01-01T10:00:00Z", status="pronto"), sgp(3, "2026-01-01T10:00:00Z"))
    push.take_list(sgp(1, "2026-01-01T10:00:01Z", status="pendente"))
    beat(mirror, "2026-01-01 10:01:00+00")
    assert [(key, status) for key, _, _, status in read_orders(mirror)] == [
        (1, "pendente"), (2, "pendente"), (3, "pendente"),
    ]  # fmt: skip
    beat(mirror, "2026-01-01 10:01:02+00")
    assert read_orders(mirror) == [(1, 5, "", "entregue"), (2, 6, "", "pendente")]
    assert mirror.execute("SELECT FROM push.ahead").fetchall() == []


def test_what_the_mirror_has_brought_by_then_stays(push: Pusher, mirror: Connection) -> None:
    beat(mirror, "2026-01-01 09:00:00+00")
    push.take_list(sgp(1, "2026-01-01T10:00:00Z", status="pronto"))
    push.take(upsert(1, 5, status="entregue"))
    beat(mirror, "2026-01-01 10:02:00+00")
    assert read_orders(mirror) == [(1, 5, "", "entregue")]


def test_sgps_deletion_is_final_for_what_it_said_before(push: Pusher, mirror: Connection) -> None:
    gone = sgp(1, "2026-01-01T10:00:00Z", deleted=True)
    assert push.take_list(gone)[1]["pedidos"] == {"written": 0, "dropped": 1, "deleted": 0}
    late = sgp(1, "2026-01-01T10:00:00Z", status="pronto")
    assert push.take_list(late)[1]["pedidos"]["dropped"] == 1
    push.take(upsert(2, 5, ultima_atualizacao="2026-01-01 10:00:01+00"), upsert(3, 6))
    counted = push.take_list(
        sgp(2, "2026-01-01T10:00:00Z", deleted=True), sgp(3, "2026-01-01T10:00:00Z", deleted=True)
    )[1]
    assert counted["pedidos"] == {"written": 0, "dropped": 1, "deleted": 1}
    assert push.take_list({"id": 3, "versao": 6})[1]["pedidos"]["dropped"] == 1


# ---------------------------------------------------------------- beside replication


def test_a_push_gives_way_to_apply_which_never_waits_for_its_end(
    push: Pusher, mirror: Connection, pushed_window: PushedWindow
) -> None:
    with pushed_window.connect() as apply, apply.transaction():
        apply.execute("INSERT INTO vitrine.pedidos (id, versao) VALUES (1, 5)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            push.take(upsert(1, 6, cliente="pushed"))
    assert push.take(upsert(1, 6, cliente="pushed"))[0] == "taken"
    assert read_orders(mirror) == [(1, 6, "pushed", "pendente")]


def test_of_two_that_hold_what_the_other_wants_the_push_gives_way(
    push: Pusher, mirror: Connection, pushed_window: PushedWindow
) -> None:
    caught: list[psycopg.Error] = []

    def give() -> None:
        try:
            push.take(upsert(1, 6), Upsert(table="imagens", row={"id": "1", "versao": "7"}))
        except psycopg.Error as error:
            caught.append(error)

    with pushed_window.connect() as apply, apply.transaction():
        # Tables are locked by their names: the push holds nothing yet, or `imagens`.
        apply.execute("INSERT INTO vitrine.pedidos (id, versao) VALUES (1, 5)")
        thread = threading.Thread(target=give)
        thread.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'vitrine.pedidos'::regclass"
        assert wait_until(lambda: bool(caught or mirror.execute(waiting).fetchone()), DEADLINE_S)
        apply.execute("INSERT INTO vitrine.imagens (id, versao) VALUES (1, 5)")
        thread.join(DEADLINE_S)
    assert [error.sqlstate in {"55P03", "40P01"} for error in caught] == [True]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM vitrine.pedidos",
        "SELECT FROM push.nonces",
        "INSERT INTO guard.tombstones VALUES ('pedidos', '1', 1)",
        "SELECT push.sweep()",
        "SELECT push.write_pedidos('[]')",
        "SELECT push.take_partial('{}')",
        "SET session_replication_role = replica",
    ],
)
def test_the_pushs_role_may_do_nothing_else(push: Pusher, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        push.conn.execute(statement.encode())
