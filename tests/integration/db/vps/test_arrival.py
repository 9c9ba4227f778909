"""What the VPS's own functions do with what arrives: record it, say it, forget it, slow guessers down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from db.engines import Connection
from tests.fix_clusters import Servers
from tests.integration.db.intranet.test_projection import ask


@pytest.fixture
def vps(servers: Servers, arrival_database: str) -> Iterator[Connection]:
    """A session of replication's kind in a transaction that is taken back."""
    with servers.connect("vps", arrival_database) as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("SET LOCAL statement_timeout = '20s'")
        conn.execute("DELETE FROM guard.mudancas")
        yield conn


def recorded(conn: Connection) -> list[tuple[Any, ...]]:
    """Return what was recorded since the last look."""
    return conn.execute(
        "WITH gone AS (DELETE FROM guard.mudancas RETURNING tabela, chave)"
        " SELECT tabela, chave FROM gone ORDER BY 1, 2"
    ).fetchall()


def test_a_photo_that_moves_is_a_change_of_both_its_orders(vps: Connection) -> None:
    vps.execute("INSERT INTO vitrine.imagens (id, pedido_id, versao) VALUES (5, 1, 1)")
    assert recorded(vps) == [("imagens", 1)]
    vps.execute("UPDATE vitrine.imagens SET pedido_id = 2, versao = 2 WHERE id = 5")
    assert recorded(vps) == [("imagens", 1), ("imagens", 2)]
    vps.execute("UPDATE vitrine.imagens SET filename = 'b', versao = 3 WHERE id = 5")
    assert recorded(vps) == [("imagens", 2)]
    vps.execute("INSERT INTO vitrine.imagens (id, pedido_id, versao) VALUES (5, 3, 4)")
    assert recorded(vps) == [("imagens", 2), ("imagens", 3)], "copied over what was there"
    vps.execute("DELETE FROM vitrine.imagens")
    assert recorded(vps) == [("imagens", 3)]


def test_a_miniatura_is_recorded_by_its_photo(vps: Connection) -> None:
    vps.execute("INSERT INTO vitrine.miniaturas (imagem_id, estado, versao) VALUES (5, 'pronta', 1)")
    vps.execute("UPDATE vitrine.miniaturas SET imagem_id = 6, versao = 2")
    vps.execute("DELETE FROM vitrine.miniaturas")
    assert recorded(vps) == [("miniaturas", 5), ("miniaturas", 5), ("miniaturas", 6), ("miniaturas", 6)]


@pytest.mark.parametrize("table", ["pedidos", "usuarios"])
def test_an_order_and_a_user_are_recorded_by_their_keys(vps: Connection, table: str) -> None:
    for statement in (
        "INSERT INTO vitrine.{} (id, versao) VALUES (7, 1)",
        "UPDATE vitrine.{} SET versao = 2",
        "UPDATE vitrine.{} SET id = 8, versao = 3",
        "DELETE FROM vitrine.{}",
    ):
        vps.execute(statement.format(table).encode())
    assert recorded(vps) == [(table, key) for key in (7, 7, 7, 8, 8)]


@pytest.mark.parametrize("table", ["pedidos", "imagens", "miniaturas", "usuarios"])
def test_a_truncated_table_is_recorded_as_a_whole(vps: Connection, table: str) -> None:
    vps.execute(f"TRUNCATE vitrine.{table}".encode())
    assert recorded(vps) == [(table, None)]


def test_an_update_that_is_older_than_what_is_there_leaves_no_trace(vps: Connection) -> None:
    vps.execute("INSERT INTO vitrine.pedidos (id, versao) VALUES (7, 5)")
    recorded(vps)
    vps.execute("UPDATE vitrine.pedidos SET cliente = 'velho', versao = 4")
    vps.execute("INSERT INTO vitrine.pedidos (id, versao, cliente) VALUES (7, 4, 'velho')")
    assert recorded(vps) == []
    vps.execute("UPDATE vitrine.pedidos SET cliente = 'igual', versao = 5")
    assert recorded(vps) == [("pedidos", 7)]


def told(servers: Servers, database: str, statements: list[str]) -> list[str]:
    """Run statements in one transaction and return what was said of it."""
    with servers.connect("vps", database) as listener, servers.connect("vps", database) as writer:
        listener.execute("LISTEN vitrine")
        writer.execute("SET session_replication_role = replica")
        with writer.transaction():
            for statement in statements:
                writer.execute(statement.encode())
        writer.execute("SELECT pg_notify('vitrine', 'end')")
        heard = []
        for notice in listener.notifies(timeout=30):
            if notice.payload == "end":
                break
            heard.append(" ".join(notice.payload.split(" ")[:2]))
        writer.execute("DELETE FROM vitrine.pedidos")
        return heard


@pytest.mark.parametrize(("orders", "named", "folded"), [(1, 1, 0), (8, 8, 0), (9, 8, 1), (20, 8, 1)])
def test_the_first_eight_orders_of_a_transaction_are_named(
    servers: Servers, arrival_database: str, orders: int, named: int, folded: int
) -> None:
    insert = "INSERT INTO vitrine.pedidos (id, versao) VALUES ({}, 1)"
    inserts = [insert.format(one) for one in range(1, orders + 1)]
    heard = told(servers, arrival_database, inserts)
    assert heard == [f"pedidos {one}" for one in range(1, named + 1)] + ["pedidos"] * folded


def test_a_changed_order_is_named(servers: Servers, arrival_database: str) -> None:
    insert = "INSERT INTO vitrine.pedidos (id, versao) VALUES (1, 1)"
    assert told(servers, arrival_database, [insert, "UPDATE vitrine.pedidos SET id = 2, versao = 2"]) == [
        "pedidos 1",
        "pedidos 2",
    ]


def test_a_deleted_order_is_not_named(servers: Servers, arrival_database: str) -> None:
    insert = "INSERT INTO vitrine.pedidos (id, versao) VALUES (1, 1)"
    assert told(servers, arrival_database, [insert, "DELETE FROM vitrine.pedidos"]) == [
        "pedidos 1",
        "pedidos",
    ]


def log(conn: Connection, days: str) -> None:
    conn.execute(
        "INSERT INTO guard.mudancas (tabela, chave, em) VALUES ('pedidos', 1, now() - %s::interval)", [days]
    )


def beat(conn: Connection) -> None:
    conn.execute(
        "INSERT INTO vitrine.heartbeat (id, beat, beat_at, versao) VALUES (1, 1, now(), 1)"
        " ON CONFLICT (id) DO UPDATE SET versao = excluded.versao"
    )


def test_changes_older_than_three_days_are_forgotten_and_the_horizon_says_so(vps: Connection) -> None:
    log(vps, "71 hours")
    beat(vps)
    assert ask(vps, "SELECT count(*) FROM guard.mudancas WHERE tabela = 'pedidos'") == 1
    vps.execute("UPDATE guard.mudancas SET xid = (xid::text::bigint - 1)::text::xid8")
    vps.execute("UPDATE guard.epoca SET horizonte = '3'")
    vps.execute("UPDATE guard.mudancas SET em = now() - interval '73 hours' WHERE tabela = 'pedidos'")
    [[oldest]] = vps.execute("SELECT min(xid::text::bigint) FROM guard.mudancas").fetchall()
    vps.execute("DELETE FROM vitrine.heartbeat")
    beat(vps)
    assert ask(vps, "SELECT count(*) FROM guard.mudancas WHERE tabela = 'pedidos'") == 0
    assert ask(vps, "SELECT horizonte::text::bigint FROM guard.epoca") == oldest + 1


def test_what_is_younger_stays_beside_what_is_forgotten(vps: Connection) -> None:
    for days in ("4 days", "1 day", "5 days"):
        log(vps, days)
    beat(vps)
    query = "SELECT count(*) FROM guard.mudancas WHERE tabela = 'pedidos' AND em > now() - interval '2 days'"
    assert ask(vps, query) == 1
    assert ask(vps, "SELECT count(*) FROM guard.mudancas WHERE tabela = 'pedidos'") == 1


def test_numbers_that_no_transaction_here_has_had_are_forgotten(vps: Connection) -> None:
    log(vps, "1 hour")
    vps.execute("INSERT INTO guard.mudancas (xid, tabela) VALUES ('999999999', 'pedidos')")
    vps.execute("UPDATE guard.epoca SET horizonte = '3'")
    beat(vps)
    assert ask(vps, "SELECT count(*) FROM guard.mudancas WHERE xid >= '999999999'") == 0
    assert ask(vps, "SELECT horizonte = pg_current_xact_id() FROM guard.epoca")
    assert ask(vps, "SELECT count(*) FROM guard.mudancas WHERE tabela = 'pedidos'") == 1


def heartbeat(conn: Connection, beat_: int, landings: int | None) -> None:
    conn.execute(
        "UPDATE vitrine.heartbeat SET beat = %s, landings = %s, versao = versao + 1", [beat_, landings]
    )


def gaps(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT after_beat, beat FROM guard.gaps ORDER BY id").fetchall()


GAPS: dict[str, tuple[list[tuple[int, int | None]], list[tuple[int, int]]]] = {
    "one after the other": ([(6, 2), (7, 3)], []),
    "the same once more": ([(5, 1), (5, 9)], []),
    "both jump": ([(8, 4)], [(5, 8)]),
    "both jump by two": ([(7, 3)], [(5, 7)]),
    "back": ([(3, 9)], [(5, 3)]),
    "the first hop lost some": ([(9, 2)], []),
    "filled in later": ([(6, 40)], []),
    "not counted": ([(9, None)], []),
    "twice": ([(8, 4), (9, 5), (12, 8)], [(5, 8), (9, 12)]),
}


@pytest.mark.parametrize("case", GAPS)
def test_what_was_lost_on_the_way_is_noted_where_both_numbers_jump(vps: Connection, case: str) -> None:
    beats, noted = GAPS[case]
    vps.execute("INSERT INTO vitrine.heartbeat (id, beat, landings, versao) VALUES (1, 5, 1, 1)")
    for number, landings in beats:
        heartbeat(vps, number, landings)
    assert gaps(vps) == noted


def test_a_count_that_was_not_kept_before_and_is_ahead_is_a_gap(vps: Connection) -> None:
    vps.execute("INSERT INTO vitrine.heartbeat (id, beat, landings, versao) VALUES (1, 5, NULL, 1)")
    heartbeat(vps, 6, 3)
    assert gaps(vps) == []
    vps.execute("UPDATE vitrine.heartbeat SET landings = NULL, versao = versao + 1")
    heartbeat(vps, 9, 4)
    assert gaps(vps) == [(6, 9)]


def test_a_copy_of_the_heart_notes_nothing(vps: Connection) -> None:
    vps.execute("INSERT INTO vitrine.heartbeat (id, beat, landings, versao) VALUES (1, 5, 1, 1)")
    vps.execute("INSERT INTO vitrine.heartbeat (id, beat, landings, versao) VALUES (1, 50, 40, 2)")
    assert ask(vps, "SELECT beat FROM vitrine.heartbeat") == 50
    assert gaps(vps) == []


def test_a_search_looks_into_four_texts_without_accents_and_case(vps: Connection) -> None:
    assert (
        ask(vps, "SELECT guard.search_text('N-1', 'José', 'Vitória', 'AÇÃO')") == "n-1\njose\nvitoria\nacao"
    )
    assert ask(vps, "SELECT guard.search_text(NULL, NULL, NULL, NULL)") == "\n\n\n"
    assert ask(vps, "SELECT guard.fold(E'e\\u0301\\u00e9')") == "ee"
    assert ask(vps, "SELECT guard.fold(NULL)") is None


PAUSES = {(0, 5): 0, (4, 5): 0, (5, 5): 1, (6, 5): 2, (7, 5): 4, (13, 5): 256, (14, 5): 300, (999, 5): 300}


def test_the_pause_doubles_after_the_free_failures_up_to_five_minutes(vps: Connection) -> None:
    found = {
        given: ask(vps, "SELECT extract(epoch FROM auth.pause(%s, %s))::integer", *given) for given in PAUSES
    }
    assert found == PAUSES


def take(conn: Connection, account: str = "ana", address: str = "shop") -> float:
    found: float = ask(conn, "SELECT auth.take(%s::bytea, %s::bytea)", account.encode(), address.encode())
    return found


def failures(conn: Connection) -> dict[str, int]:
    """Return those of names and addresses; what is counted by both has 32 bytes here."""
    rows = conn.execute(
        "SELECT convert_from(subject, 'UTF8'), failures FROM auth.attempts WHERE length(subject) < 32"
    ).fetchall()
    return dict(rows)


def test_an_account_has_five_free_failures_and_then_waits(vps: Connection) -> None:
    assert [take(vps) for _ in range(5)] == [0] * 5
    assert 0 < take(vps) <= 1
    assert failures(vps) == {"ana": 5, "shop": 5}, "who must wait was counted"
    assert take(vps, "bia") == 0, "another account of the same shop waits too"


def test_an_address_has_thirty_free_failures_whatever_the_accounts(vps: Connection) -> None:
    assert [take(vps, f"user{number}") for number in range(30)] == [0] * 30
    assert 0 < take(vps, "new") <= 1
    assert take(vps, "new", "elsewhere") == 0
    assert "new" in failures(vps)


def age(conn: Connection, interval: str) -> None:
    conn.execute(
        "UPDATE auth.attempts SET last_at = last_at - %s::interval, blocked_until = NULL", [interval]
    )


@pytest.mark.parametrize(("interval", "counted"), [("14 minutes", 6), ("16 minutes", 1)])
def test_after_a_quarter_of_an_hour_all_is_forgotten(vps: Connection, interval: str, counted: int) -> None:
    for _ in range(5):
        take(vps)
    age(vps, interval)
    take(vps)
    assert failures(vps) == {"ana": counted, "shop": counted}


@pytest.mark.parametrize(("interval", "kept"), [("23 hours", True), ("25 hours", False)])
def test_who_did_not_try_for_a_day_leaves_nothing_behind(vps: Connection, interval: str, kept: bool) -> None:
    take(vps, "old", "there")
    age(vps, interval)
    take(vps)
    assert ("old" in failures(vps), "there" in failures(vps)) == (kept, kept)


def test_who_logs_in_begins_anew_and_gives_the_address_its_attempt_back(vps: Connection) -> None:
    for _ in range(3):
        take(vps)
    vps.execute("SELECT auth.settle('ana', 'shop')")
    assert failures(vps) == {"shop": 2}
    for _ in range(3):
        vps.execute("SELECT auth.settle('ana', 'shop')")
    assert failures(vps) == {"shop": 2}, "who is known was not counted there"


@pytest.mark.parametrize(("failed", "released"), [(30, True), (31, False)])
def test_an_address_waits_no_longer_once_it_is_within_its_free_failures(
    vps: Connection, failed: int, released: bool
) -> None:
    take(vps)
    vps.execute(
        "UPDATE auth.attempts SET failures = %s, blocked_until = clock_timestamp() + interval '1 h'"
        " WHERE subject = 'shop'",
        [failed],
    )
    vps.execute("SELECT auth.settle('ana', 'shop')")
    assert (take(vps, "bia") == 0) is released


def exhaust(conn: Connection, account: str = "ana", address: str = "evil") -> None:
    """Guess until the name must wait for minutes."""
    take(conn, account, address)
    conn.execute(
        "UPDATE auth.attempts SET failures = 99, blocked_until = clock_timestamp() + interval '5 min'"
        " WHERE subject <> %s",
        [address.encode()],
    )


def test_who_has_come_in_from_there_is_not_kept_out_by_others(vps: Connection) -> None:
    take(vps)
    vps.execute("SELECT auth.settle('ana', 'shop')")
    exhaust(vps)
    assert take(vps, "ana", "evil") > 200
    assert [take(vps) for _ in range(5)] == [0] * 5
    assert 0 < take(vps) <= 1, "known or not, guesses there are slowed"
    assert take(vps, "ana" + "." * 29 + "a device that kept a token", "elsewhere") == 0


def test_a_device_that_kept_a_token_is_counted_alone(vps: Connection) -> None:
    name = "n" * 32
    exhaust(vps, name)
    assert [take(vps, name + "phone", "evil") for _ in range(5)] == [0] * 5
    assert 0 < take(vps, name + "phone", "evil") <= 1
    assert take(vps, name + "tablet", "evil") == 0
    vps.execute("SELECT auth.settle(%s, 'evil')", [(name + "phone").encode()])
    assert take(vps, name + "phone", "evil") == 0


def test_a_stranger_may_try_a_name_once_while_others_guess_at_it(vps: Connection) -> None:
    exhaust(vps)
    assert take(vps, "ana", "new") == 0
    assert take(vps, "ana", "new") > 200
    assert [take(vps, "ana", f"host{number}") for number in range(99)] == [0] * 99
    assert 0 < take(vps, "ana", "one more") <= 1, "addresses without number"


def test_an_address_is_known_for_ninety_days(vps: Connection) -> None:
    vps.execute("SELECT auth.settle('ana', 'shop')")
    exhaust(vps)
    vps.execute("UPDATE auth.known SET last_at = last_at - interval '91 days'")
    assert take(vps) == 0, "as a stranger, who has one try"
    assert take(vps) > 0


GUESSES_A_DAY = 1011
"""What docs/adr/0009 says that anybody has at a name, from addresses that have tried it already."""


def test_the_bound_on_guesses_is_what_is_written_down() -> None:
    """The best that a guesser can do: some pauses, then a quarter of an hour without any, and again."""

    def a_day(pauses: int) -> float:
        waited_s = sum(min(300, 1 << number) for number in range(pauses))
        return (5 + pauses) * 86400 / (waited_s + 900)

    assert int(max(map(a_day, range(40)))) <= GUESSES_A_DAY


def test_a_revocation_is_kept_while_its_token_lives_and_is_heard(vps: Connection) -> None:
    for digest, ends in (("a", "1 hour"), ("a", "2 hours"), ("b", "-1 hour"), ("c", "1 hour")):
        vps.execute("SELECT auth.revoke(%s, clock_timestamp() + %s::interval)", [digest.encode(), ends])
    rows = vps.execute(
        "SELECT convert_from(digest, 'UTF8'), expires_at < now() + interval '90 min' FROM auth.revoked"
        " ORDER BY 1"
    ).fetchall()
    assert rows == [("a", True), ("c", True)]
    assert recorded(vps) == [("revoked", 0)] * 4


def test_the_offline_bound_is_written_where_it_is_another(vps: Connection) -> None:
    row = "SELECT seconds, xmin::text FROM auth.offline_bound"
    vps.execute("SELECT auth.tell_offline_bound(60)")
    [before] = vps.execute(row).fetchall()
    vps.execute("SAVEPOINT later; SELECT auth.tell_offline_bound(60)")
    assert vps.execute(row).fetchall() == [before]
    vps.execute("SELECT auth.tell_offline_bound(90)")
    [(seconds, _)] = vps.execute(row).fetchall()
    assert (before[0], seconds) == (60, 90)
    for odd in ("0", "-1", "infinity"):
        with pytest.raises(psycopg.errors.CheckViolation), vps.transaction():
            vps.execute("SELECT auth.tell_offline_bound(%s)", [odd])


def test_the_marks_of_keys_are_written_where_they_are_others_and_compared(vps: Connection) -> None:
    def tell(*marks: bytes) -> list[tuple[Any, ...]]:
        return vps.execute("SELECT auth.tell_key_marks(%s), auth.has_key()", [list(marks)]).fetchall()

    assert vps.execute("SELECT auth.has_key()").fetchall() == [(None,)]
    assert tell(b"a", b"b") == [(None, None)]
    row = "SELECT marks, xmin::text FROM auth.key_marks"
    before = vps.execute(row).fetchall()
    vps.execute("SAVEPOINT later")
    vps.execute("INSERT INTO vitrine.credenciais (user_id, digest, versao) VALUES (0, 'b', 1)")
    assert vps.execute("SELECT auth.has_key()").fetchall() == [(True,)]
    assert tell(b"a", b"b")[0][0] is True
    assert vps.execute(row).fetchall() == before
    assert tell(b"a")[0][0] is False
    assert vps.execute("SELECT auth.has_key()").fetchall() == [(False,)]
    for odd in ([], [b"a", b"b", b"c"]):
        with pytest.raises(psycopg.errors.CheckViolation), vps.transaction():
            vps.execute("SELECT auth.tell_key_marks(%s::bytea[])", [odd])
