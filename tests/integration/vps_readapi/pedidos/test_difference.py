"""`?desde=`: what changed and what vanished, nothing skipped."""

from __future__ import annotations

from typing import Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL

from db.engines import Connection, connect
from db.waiting import wait_until
from tests.fix_api import (
    EASY,
    ROLE,
    Client,
    make_token,
    run_api,
    touch,
    write_session,
)
from vps_readapi.memory.sql import PREPARE_CONFIRM

pytestmark = pytest.mark.integration


def ask_since(client: Client, cursor: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/pedidos/?desde={cursor}").json()
    return found


def test_the_difference_is_what_changed_and_what_vanished(client: Client, writer: Connection) -> None:
    start = ask_since(client, "")
    assert start["completo"] is True
    assert start["mudou"] == client.get("/pedidos/").json()
    touch(writer, 1, 2)
    writer.execute("DELETE FROM vitrine.pedidos WHERE id = 30")
    writer.execute("UPDATE vitrine.miniaturas SET chave = 'x.webp', versao = 2 WHERE imagem_id = 3")
    found = ask_since(client, start["cursor"])
    assert found["completo"] is False
    assert {one["id"] for one in found["mudou"]} == {1, 2, 3}
    assert found["sumiu"] == [30]
    assert found["mudou"][0] == client.get(f"/pedidos/{found['mudou'][0]['id']}").json()
    after = ask_since(client, found["cursor"])
    assert (after["mudou"], after["sumiu"]) == ([], [])


def test_a_photo_that_moves_is_gone_from_one_order_and_on_the_other(
    client: Client, writer: Connection
) -> None:
    """Both are in memory before it moves; the newer photo of an item is the one that it shows."""

    def url(pedido_id: int) -> str:
        return str(client.get(f"/pedidos/{pedido_id}").json()["items"][0]["imagem_url"])

    cursor = client.get("/pedidos/").headers["sync-cursor"]
    assert ("/11.webp?" in url(11), "/12.webp?" in url(12)) == (True, True)
    writer.execute("UPDATE vitrine.imagens SET pedido_id = 11, versao = versao + 1 WHERE id = 12")
    assert {one["id"] for one in ask_since(client, cursor)["mudou"]} == {11, 12}
    assert "/12.webp?" in url(11)
    assert url(12) == "None"


def test_a_list_and_a_detail_name_the_cursor_to_go_on_with(client: Client, writer: Connection) -> None:
    cursor = client.get("/pedidos/").headers["sync-cursor"]
    touch(writer, 4)
    assert [one["id"] for one in ask_since(client, cursor)["mudou"]] == [4]


def test_a_transaction_that_ends_late_is_not_skipped(client: Client, writer: Connection, dsn: str) -> None:
    with write_session(dsn) as late:
        with late.transaction():
            touch(late, 5)  # has the older number
            touch(writer, 6)
            early = ask_since(client, client.get("/pedidos/1").headers["sync-cursor"])
            assert 5 not in {one["id"] for one in early["mudou"]}
        found = ask_since(client, early["cursor"])
    assert 5 in {one["id"] for one in found["mudou"]}


@pytest.mark.parametrize("cursor", ["x", "0.0", "000000000000.5", "1" * 60])
def test_a_cursor_that_is_none_of_ours_begins_again(client: Client, cursor: str) -> None:
    assert ask_since(client, cursor)["completo"] is True


def test_a_cursor_from_before_the_horizon_or_from_the_future_begins_again(client: Client) -> None:
    epoch = client.get("/pedidos/1").headers["sync-cursor"].partition(".")[0]
    for number in ("0", "5", "99999999999"):
        assert ask_since(client, f"{epoch}.{number}")["completo"] is True


def test_old_changes_are_forgotten_and_their_cursors_with_them(client: Client, writer: Connection) -> None:
    cursor = ask_since(client, "")["cursor"]
    touch(writer, 7)
    assert ask_since(client, cursor)["completo"] is False
    writer.execute("UPDATE guard.mudancas SET em = em - interval '4 days'")
    touch(writer, 8)
    writer.execute("UPDATE vitrine.heartbeat SET beat = beat + 1, versao = versao + 1")
    rows = writer.execute("SELECT chave FROM guard.mudancas").fetchall()
    assert rows == [(8,)]
    assert ask_since(client, cursor)["completo"] is True


def test_a_crash_of_the_server_begins_again(client: Client, dsn: str) -> None:
    """Apply's commits are not flushed, so their numbers may be used a second time."""
    cursor = ask_since(client, "")["cursor"]
    with psycopg.connect(dsn) as conn:
        psutil.Process(conn.info.backend_pid).kill()
    assert wait_until(lambda: client.get("/pedidos/1").headers["sync-cursor"].split(".")[0] not in cursor, 60)
    assert ask_since(client, cursor)["completo"] is True


def test_memory_that_is_asked_about_beyond_the_horizon_is_told_that_everything_changed(
    dsn: str, writer: Connection
) -> None:
    """As when the log is forgotten between the feed's look at the horizon and its question."""
    ask = SQL("EXECUTE ponte_confirm ({})")
    with connect(make_conninfo(dsn, user=ROLE, password=EASY)) as feed:
        feed.execute(PREPARE_CONFIRM)
        [[snapshot]] = feed.execute("SELECT pg_current_snapshot()::text").fetchall()
        touch(writer, 7)
        [[_, told]] = feed.execute(ask.format(snapshot)).fetchall()
        assert ([one for one, _ in told["pedidos"]], told["sessoes"]) == ([7], False)
        writer.execute("UPDATE guard.mudancas SET em = em - interval '4 days'")
        writer.execute("UPDATE vitrine.heartbeat SET beat = beat + 1, versao = versao + 1")
        [[later, told]] = feed.execute(ask.format(snapshot)).fetchall()
        assert (told["pedidos"], told["sessoes"]) == (None, True)
        touch(writer, 8)
        [[_, told]] = feed.execute(ask.format(later)).fetchall()
        assert ([one for one, _ in told["pedidos"]], told["sessoes"]) == ([8], False)


def test_a_log_that_comes_from_an_older_cluster_is_forgotten(client: Client, writer: Connection) -> None:
    """As `pg_restore` brings it: numbers of transactions that this server has not had yet."""
    cursor = ask_since(client, "")["cursor"]
    writer.execute(
        "INSERT INTO guard.mudancas (xid, tabela, chave)"
        " VALUES ((pg_current_xact_id()::text::bigint + 1000000)::text::xid8, 'pedidos', 9)"
    )
    writer.execute("UPDATE vitrine.heartbeat SET beat = beat + 1, versao = versao + 1")
    assert writer.execute("SELECT chave FROM guard.mudancas WHERE chave = 9").fetchall() == []
    assert ask_since(client, cursor)["completo"] is True
    after = ask_since(client, "")["cursor"]
    touch(writer, 8)
    assert [one["id"] for one in ask_since(client, after)["mudou"]] == [8]


def test_who_may_not_read_any_more_is_out_also_amid_a_flood_of_changes(dsn: str, writer: Connection) -> None:
    flood = "INSERT INTO guard.mudancas (tabela, chave) SELECT 'pedidos', n FROM generate_series(1, 30000) n"
    writer.execute(flood)  # the planner is to know a large log
    writer.execute("ANALYZE guard.mudancas")
    with run_api(dsn) as api:
        session = Client(api.port, token=make_token(2))
        assert session.get("/pedidos/1").status == 200
        with writer.transaction():
            writer.execute(flood)
            writer.execute("UPDATE vitrine.usuarios SET is_active = false, versao = versao + 1 WHERE id = 2")
        assert session.get("/pedidos/1").status == 401
        session.close()
    writer.execute("UPDATE vitrine.usuarios SET is_active = true, versao = versao + 1 WHERE id = 2")
    writer.execute("TRUNCATE guard.mudancas")


def test_notifications_are_not_what_the_truth_rests_on(dsn: str, writer: Connection, client: Client) -> None:
    """A change without any notification is in the next answer all the same."""
    client.get("/pedidos/27")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("ALTER TABLE vitrine.pedidos DISABLE TRIGGER announce")
    try:
        for _ in range(5):
            before = client.get("/pedidos/27").json()["observacao"]
            touch(writer, 27)
            assert client.get("/pedidos/27").json()["observacao"] == before + "."
    finally:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("ALTER TABLE vitrine.pedidos ENABLE ALWAYS TRIGGER announce")
