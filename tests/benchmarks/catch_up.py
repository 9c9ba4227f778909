"""Catching up after a bulk change of SGP's, and the first copy: both hops beside one plain subscription.

One is switched off while the other works, so that neither takes the other's processor; the rows are the same.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from psycopg import sql

from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.seed.load import copy_rows
from infra.devstack.seed.moments import DEFAULT_NOW
from infra.devstack.seed.orders import build_order
from infra.devstack.stack import Stack
from tests.benchmarks.road import start_stack, subscribe_plainly

CHANGED = 20_000
COPIED = 200_000
FIRST = 1_000_000
DEADLINE_S = 900.0
POLL_S = 0.01
INTAKE, PLAIN = "sub_intake", "sub_plain"


@cache
def time_bulk() -> dict[str, float]:
    """Return the rows a second of both hops over the plain one's, for new orders and for changed ones."""
    stack = start_stack()
    subscribe_plainly(stack)
    return {
        "insert": _catch_up(stack, lambda sgp: insert_orders(sgp, CHANGED), "true"),
        "update": _catch_up(stack, change_orders, "observacao = 'em massa'"),
    }


@cache
def time_copy() -> float:
    """Return the rows a second of a first copy over both hops over the plain one's."""
    stack = start_stack()
    subscribe_plainly(stack)
    with (
        connect(stack.clusters["sgp"].conninfo("sgp")) as sgp,
        connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine,
        connect(stack.clusters["vps"].conninfo("vps")) as vps,
        connect(stack.clusters["vps"].conninfo("plain")) as plain,
    ):
        sgp.execute("CREATE PUBLICATION nothing")  # a subscription has one at least
        _alter(plain, PLAIN, "SET PUBLICATION {}", "nothing")
        _alter(vitrine, INTAKE, "DROP PUBLICATION {}", "pub_intake_pedidos")
        insert_orders(sgp, COPIED)
        plain.execute("TRUNCATE pedidos")
        plainly = _time(
            lambda: _alter(plain, PLAIN, "SET PUBLICATION {}", "plain"), plain, "public.pedidos", COPIED
        )
        _alter(plain, PLAIN, "DISABLE")
        copy = _time(
            lambda: _alter(vitrine, INTAKE, "ADD PUBLICATION {}", "pub_intake_pedidos"),
            vps, "vitrine.pedidos", COPIED,
        )  # fmt: skip
    return plainly / copy


def insert_orders(sgp: Connection, count: int) -> None:
    rng = random.Random(20)
    rows = (
        build_order(rng, FIRST + number, created=DEFAULT_NOW - timedelta(seconds=number), now=DEFAULT_NOW)[0]
        for number in range(count)
    )
    copy_rows(sgp, "pedidos", rows)


def change_orders(sgp: Connection) -> None:
    sgp.execute("UPDATE pedidos SET observacao = 'em massa' WHERE id >= %s", [FIRST])


def _catch_up(stack: Stack, write: Callable[[Connection], None], there: str) -> float:
    with (
        connect(stack.clusters["sgp"].conninfo("sgp")) as sgp,
        connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine,
        connect(stack.clusters["vps"].conninfo("vps")) as vps,
        connect(stack.clusters["vps"].conninfo("plain")) as plain,
    ):
        for conn, name in ((vitrine, INTAKE), (plain, PLAIN)):
            _alter(conn, name, "DISABLE")
        with sgp.transaction():
            write(sgp)
        plainly = _time(lambda: _alter(plain, PLAIN, "ENABLE"), plain, "public.pedidos", CHANGED, there)
        road = _time(lambda: _alter(vitrine, INTAKE, "ENABLE"), vps, "vitrine.pedidos", CHANGED, there)
    return plainly / road


def _alter(conn: Connection, subscription: str, what: str, *names: str) -> None:
    query = sql.SQL("ALTER SUBSCRIPTION {} " + what)
    conn.execute(query.format(*map(sql.Identifier, (subscription, *names))))


def _time(start: Callable[[], None], end: Connection, table: str, rows: int, there: str = "true") -> float:
    began = time.perf_counter()
    start()
    query = sql.SQL("SELECT count(*) FROM {} WHERE id >= %s AND {}").format(
        sql.Identifier(*table.split(".")), sql.SQL(there)
    )
    if not wait_until(lambda: end.execute(query, [FIRST]).fetchone() == (rows,), DEADLINE_S, poll_s=POLL_S):
        raise TimeoutError(f"not all orders arrived in {table}")
    return time.perf_counter() - began


FIGURES = {
    "catch_up_insert_vs_plain": lambda: time_bulk()["insert"],
    "catch_up_update_vs_plain": lambda: time_bulk()["update"],
    "first_copy_vs_plain": time_copy,
}
