"""The road from SGP to the VPS, beside plain native replication of the same rows in one hop."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from statistics import median, quantiles

from psycopg import sql
from psycopg.conninfo import make_conninfo

from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.layout import StackSettings
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root
from infra.devstack.stack import Stack
from tests.ports import find_free_ports

ROUNDS = 200
WARM_UP = 20
DEADLINE_S = 30.0


@dataclass(frozen=True)
class Delays:
    """Milliseconds from the return of a commit in SGP until a reader sees the row."""

    road: list[float]
    """On the VPS, through projection, window, link and guard."""
    plain: list[float]
    """On the same VPS server, by one native subscription without triggers, not through the link."""


@cache
def measure_delays() -> Delays:
    """Change one order at a time; each change is waited for on both roads in turn."""
    stack = start_stack()
    names = {"sgp": "sgp", "road": "vps", "plain": "plain"}
    subscribe_plainly(stack)
    sgp, road, plain = (
        connect(stack.clusters["sgp" if key == "sgp" else "vps"].conninfo(name))
        for key, name in names.items()
    )
    pairs = [_race(sgp, road, plain, number) for number in range(ROUNDS + WARM_UP)][WARM_UP:]
    plain.execute("ALTER SUBSCRIPTION sub_plain DISABLE")
    plain.execute("ALTER SUBSCRIPTION sub_plain SET (slot_name = NONE)")
    plain.execute("DROP SUBSCRIPTION sub_plain")
    return Delays([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _race(sgp: Connection, road: Connection, plain: Connection, number: int) -> tuple[float, float]:
    """Take turns, so that neither road always finds the machine warmed by the other."""
    order = [(road, "vitrine.pedidos"), (plain, "public.pedidos")]
    delays = {}
    for conn, table in order if number % 2 else reversed(order):
        mark = f"bench {number} {table}"
        sgp.execute("UPDATE pedidos SET observacao = %s WHERE id = %s", [mark, 100 + number % 50])
        committed = time.perf_counter()
        _wait_visible(conn, table, mark)
        delays[table] = (time.perf_counter() - committed) * 1000
    return delays["vitrine.pedidos"], delays["public.pedidos"]


def _wait_visible(conn: Connection, table: str, mark: str) -> None:
    query = sql.SQL("SELECT 1 FROM {} WHERE id BETWEEN 100 AND 150 AND observacao = %s").format(
        sql.Identifier(*table.split("."))
    )
    deadline = time.monotonic() + DEADLINE_S
    while conn.execute(query, [mark]).fetchone() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"'{mark}' did not arrive in {table}")


def start_stack() -> Stack:
    folder = Path(tempfile.mkdtemp(prefix="ponte-bench-"))
    ports = Ports(*find_free_ports(len(fields(Ports))))
    settings = StackSettings(runtime_root(folder), ports, os.environ, parameters={})
    stack = Stack(settings, say=lambda text: print(text, file=sys.stderr))
    atexit.register(_remove, stack, folder)
    stack.start_road()
    return stack


def _remove(stack: Stack, folder: Path) -> None:
    stack.stop()
    shutil.rmtree(stack.settings.root, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def subscribe_plainly(stack: Stack) -> None:
    """Let the VPS's server also follow SGP directly, as one would without Ponte."""
    with connect(stack.clusters["vps"].conninfo()) as conn:
        conn.execute("CREATE DATABASE plain")
    with connect(stack.clusters["sgp"].conninfo("sgp")) as conn:
        conn.execute("CREATE PUBLICATION plain FOR TABLE pedidos")
    source = make_conninfo(stack.clusters["sgp"].conninfo("sgp"))
    with connect(stack.clusters["vps"].conninfo("plain")) as conn:
        conn.execute("CREATE TYPE prioridade AS ENUM ('NORMAL', 'ALTA')")
        columns = _columns(stack)
        conn.execute(sql.SQL("CREATE TABLE pedidos ({}, PRIMARY KEY (id))").format(columns))
        conn.execute(
            sql.SQL(
                "CREATE SUBSCRIPTION sub_plain CONNECTION {} PUBLICATION plain WITH (streaming = off)"
            ).format(sql.Literal(source))
        )
        ready = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"
        if not wait_until(lambda: (conn.execute(ready).fetchone() or (False,))[0] is True, DEADLINE_S):
            raise TimeoutError("the plain subscription did not copy its table")


def _columns(stack: Stack) -> sql.Composed:
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'pedidos'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    with connect(stack.clusters["sgp"].conninfo("sgp")) as conn:
        rows = conn.execute(query).fetchall()
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in rows
    )


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


FIGURES = {
    "commit_to_vps_ms_median": lambda: median(measure_delays().road),
    "commit_to_vps_ms_p99": lambda: _p99(measure_delays().road),
    "road_vs_plain_replication": lambda: median(measure_delays().road) / median(measure_delays().plain),
}
