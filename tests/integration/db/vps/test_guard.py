"""The guard: whatever arrives, in whatever order and from however many sides, the newest row stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql

from db.engines import Connection
from db.tables import KEYS, TABLES
from db.vps.models import window
from db.waiting import wait_until
from tests.fix_clusters import Servers
from tests.fix_road import Road

DEADLINE_S = 20.0


def insert(conn: Connection, key: int, versao: int, cliente: str) -> None:
    conn.execute(
        "INSERT INTO vitrine.pedidos (id, versao, cliente) VALUES (%s, %s, %s)", [key, versao, cliente]
    )


def read(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT id, versao, cliente FROM vitrine.pedidos ORDER BY id").fetchall()


def read_cursor(conn: Connection, key: int = 1) -> int:
    [[cursor]] = conn.execute("SELECT cursor FROM vitrine.pedidos WHERE id = %s", [key]).fetchall()
    return int(cursor)


ARRIVALS = {
    "newer": (11, "new", (1, 11, "new")),
    "older": (9, "new", (1, 10, "old")),
    "equal and the same": (10, "old", (1, 10, "old")),
    "equal and other": (10, "new", (1, 10, "new")),
}


@pytest.mark.parametrize("case", ARRIVALS)
def test_an_insert_of_a_key_that_is_there(arrival: Connection, case: str) -> None:
    versao, cliente, expected = ARRIVALS[case]
    insert(arrival, 1, 10, "old")
    before = read_cursor(arrival)
    insert(arrival, 1, versao, cliente)
    assert read(arrival) == [expected]
    assert (read_cursor(arrival) > before) == (expected != (1, 10, "old"))


def test_an_older_update_is_dropped_and_a_newer_one_is_not(arrival: Connection) -> None:
    insert(arrival, 1, 10, "old")
    arrival.execute("UPDATE vitrine.pedidos SET versao = 9, cliente = 'older' WHERE id = 1")
    assert read(arrival) == [(1, 10, "old")]
    arrival.execute("UPDATE vitrine.pedidos SET versao = 11, cliente = 'newer' WHERE id = 1")
    assert read(arrival) == [(1, 11, "newer")]


def test_a_copy_over_a_full_table_is_an_upsert(arrival: Connection) -> None:
    for key, versao in ((1, 10), (2, 20), (3, 30)):
        insert(arrival, key, versao, "old")
    with arrival.cursor().copy("COPY vitrine.pedidos (id, versao, cliente) FROM STDIN") as copy:
        for row in ((1, 11, "new"), (2, 19, "new"), (4, 40, "new")):
            copy.write_row(row)
    assert read(arrival) == [(1, 11, "new"), (2, 20, "old"), (3, 30, "old"), (4, 40, "new")]


def test_the_cursor_follows_the_order_of_arrival(arrival: Connection) -> None:
    for key in (5, 3, 9, 1):
        insert(arrival, key, 100 - key, "x")
    arrival.execute("UPDATE vitrine.pedidos SET versao = 200 WHERE id = 3")
    rows = arrival.execute("SELECT id FROM vitrine.pedidos ORDER BY cursor").fetchall()
    assert [key for (key,) in rows] == [5, 9, 1, 3]


def test_what_comes_with_a_cursor_gets_its_own(arrival: Connection) -> None:
    arrival.execute("INSERT INTO vitrine.pedidos (id, versao, cursor) VALUES (1, 1, 99999999999)")
    assert 0 < read_cursor(arrival) < 99999999999


def is_waiting(conn: Connection, pid: int) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    return conn.execute(query, [pid]).fetchone() is not None


@pytest.mark.parametrize(("first", "second", "left"), [(10, 11, 11), (11, 10, 11), (10, 10, 10)])
def test_two_sessions_with_the_same_key(
    arrival: Connection, servers: Servers, arrival_database: str, first: int, second: int, left: int
) -> None:
    """The second one waits for the first one's commit, and no unique violation stops it."""
    with servers.connect("vps", arrival_database) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET session_replication_role = replica")
        with arrival.transaction():
            insert(arrival, 1, first, "first")
            done = pool.submit(insert, other, 1, second, "second")
            with servers.connect("vps", arrival_database) as watcher:
                pid = other.info.backend_pid
                assert wait_until(lambda: is_waiting(watcher, pid), DEADLINE_S), "the second did not wait"
        done.result(DEADLINE_S)
    assert [row[:2] for row in read(arrival)] == [(1, left)]


def test_who_may_only_log_in_can_not_hold_an_insert_up(arrival: Connection) -> None:
    """A lock that anybody may take would stop apply for as long as he likes."""
    body = "SELECT prosrc FROM pg_proc WHERE oid = 'guard.pedidos'::regproc"
    [(said,)] = arrival.execute(body).fetchall()
    assert "advisory" not in said
    rights = "SELECT has_table_privilege('public', 'guard.turns', 'select, insert, update, delete')"
    assert arrival.execute(rights).fetchone() == (False,)
    held = "SELECT array_agg(table_name ORDER BY table_name) FROM guard.turns"
    assert arrival.execute(held).fetchone() == (sorted(TABLES),)


def test_a_new_rows_key_is_looked_up_in_a_small_table_as_in_a_large_one(arrival: Connection) -> None:
    """A plan that is made for a few rows lasts as long as the transaction, however many it brings."""
    scans = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'vitrine.pedidos'::regclass"
    with arrival.transaction():
        for key in range(10):
            insert(arrival, key, 1, "first")
        assert arrival.execute(scans).fetchone() == (0,)


@pytest.mark.parametrize("table", TABLES)
def test_every_window_table_is_guarded(arrival: Connection, table: str) -> None:
    key = KEYS.get(table, "id")
    name = sql.Identifier("vitrine", table)
    statement = sql.SQL("INSERT INTO {} ({}, versao) VALUES ('1', %s)").format(name, sql.Identifier(key))
    for versao in (5, 6, 4):
        arrival.execute(statement, [versao])
    rows = arrival.execute(sql.SQL("SELECT versao, cursor > 0 FROM {}").format(name)).fetchall()
    arrival.execute(sql.SQL("DELETE FROM {}").format(name))
    assert rows == [(6, True)]


WRITES = [
    "INSERT INTO vitrine.{} SELECT * FROM vitrine.{}",
    "UPDATE vitrine.{} SET versao = versao + 1",
    "DELETE FROM vitrine.{}",
    "TRUNCATE vitrine.{}",
]


@pytest.mark.parametrize("table", TABLES)
def test_a_local_write_is_refused_to_a_superuser_too(
    servers: Servers, arrival_database: str, table: str
) -> None:
    with servers.connect("vps", arrival_database) as conn:
        for template in WRITES:
            statement = template.replace("{}", table).encode()
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="written by replication only"):
                conn.execute(statement)


def test_the_guard_knows_every_column(arrival: Connection) -> None:
    """A column that the guard's function does not name would be dropped on its way."""
    for table, model in window.items():
        [[body]] = arrival.execute(
            "SELECT prosrc FROM pg_proc WHERE pronamespace = 'guard'::regnamespace AND proname = %s", [table]
        ).fetchall()
        carried = [column.name for column in model.columns if column.name not in {"cursor", "received_at"}]
        assert [name for name in carried if f"NEW.{name}" not in body] == []


def test_a_transactions_first_orders_are_named_and_the_rest_is_one_word(
    arrival: Connection, servers: Servers, arrival_database: str
) -> None:
    with servers.connect("vps", arrival_database) as listener:
        listener.execute("LISTEN vitrine")
        with arrival.transaction():
            for key in range(20):
                insert(arrival, key, 1, "x")
        insert(arrival, 0, 0, "older: changes nothing")
        arrival.execute("DELETE FROM vitrine.pedidos WHERE id = 0")
        heard = [one.payload for one in listener.notifies(timeout=DEADLINE_S, stop_after=10)]
        [[xid]] = arrival.execute("SELECT max(xid)::text FROM guard.mudancas WHERE chave = 3").fetchall()
        assert heard == [*(f"pedidos {key} {xid}" for key in range(8)), "pedidos", "pedidos"]
        assert list(listener.notifies(timeout=0)) == []


def test_the_vps_says_when_a_beat_came(arrival: Connection) -> None:
    arrival.execute("INSERT INTO vitrine.heartbeat (id, beat, versao) VALUES (1, 1, 1)")
    [[first]] = arrival.execute("SELECT received_at FROM vitrine.heartbeat").fetchall()
    arrival.execute("UPDATE vitrine.heartbeat SET beat = 2, versao = 2")
    [[second]] = arrival.execute("SELECT received_at FROM vitrine.heartbeat").fetchall()
    assert second > first


class Watcher:
    """A reader of the VPS who counts the orders again and again."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.least = 10**9
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=[connect])

    def _watch(self, connect: Callable[[], Connection]) -> None:
        with connect() as conn:
            while not self._stop.is_set():
                [[count]] = conn.execute("SELECT count(*) FROM vitrine.pedidos").fetchall()
                self.least = min(self.least, count)
                self.looks += 1

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_copying_again_over_a_full_table_hides_no_row_from_a_reader(road: Road) -> None:
    [[expected]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos")
    road.run("vitrine", "UPDATE public.pedidos SET observacao = 'before' WHERE id < 10")
    query = "SELECT 1 FROM pg_subscription_rel WHERE srsubstate <> 'r'"
    with Watcher(lambda: road.connect("vps")) as watcher, road.connect("vps") as conn:
        for _ in range(2):
            conn.execute("ALTER SUBSCRIPTION sub_vps DROP PUBLICATION pub_vps_pedidos")
            road.run("sgp", "UPDATE pedidos SET observacao = 'meanwhile' WHERE id < 20")
            conn.execute("ALTER SUBSCRIPTION sub_vps ADD PUBLICATION pub_vps_pedidos")
            road.wait(lambda: conn.execute(query).fetchone() is None, "the table copied again")
            road.wait_arrival()
    assert watcher.looks > 10
    assert watcher.least == expected
    assert road.digest("vps") == road.digest("vitrine")
