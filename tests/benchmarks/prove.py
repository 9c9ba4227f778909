"""Proving and healing: what it costs beside reading everything once, and how much is moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from psycopg import sql
from psycopg.rows import TupleRow

from db.engines import Connection, connect
from db.waiting import wait_until
from infra.devstack.stack import Stack
from publications.prove.heal import Healer
from publications.prove.pace import WHOLE, Pace
from publications.prove.pairs import TablePair, derive_compared
from publications.prove.verify import Compared, Prover, make_prover
from publications.settings import read_watch_dsns
from publications.watch.road import Watch
from tests.benchmarks.peers.pgcopydb import compare_data
from tests.benchmarks.road import start_stack

ORDERS = 1_000_000
DRIFT_EVERY = 100_000
WATCHED_S = 60.0
DEADLINE_S = 1200.0
TICKS_S = 100
"""Of /proc/PID/stat, a second."""
FENCE_S = 60.0

FILL = """
INSERT INTO vitrine.pedidos (id, numero, cliente, status, cidade_cliente, valor_total, observacao, items)
SELECT n, n::text, 'Cliente ' || n, 'pronto', 'Curitiba', n %% 1000, repeat('x', n %% 40),
       jsonb_build_array(jsonb_build_object('descricao', 'Item ' || n, 'quantidade', n %% 9))
  FROM generate_series(%s::int, %s::int) AS n
"""
HASH = "SELECT count(*), bit_xor(hashtextextended(t::text, 0)) FROM vitrine.pedidos AS t"


@cache
def fill_window() -> Stack:
    """Have a million orders in the window and on the VPS; SGP's own few are among them."""
    stack = start_stack()
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine:
        first = _one(vitrine, "SELECT max(id) + 1 FROM vitrine.pedidos")[0]
        for start in range(first, ORDERS + 1, 50_000):
            vitrine.execute(FILL, [start, min(start + 49_999, ORDERS)])
        held = _one(vitrine, "SELECT count(*) FROM vitrine.pedidos")
    with connect(stack.clusters["vps"].conninfo("vps")) as vps:
        there = wait_until(
            lambda: _one(vps, "SELECT count(*) FROM vitrine.pedidos") == held, DEADLINE_S, poll_s=2
        )
        if not there:
            raise TimeoutError("the orders did not arrive")
        vps.execute("VACUUM ANALYZE vitrine.pedidos")
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as vitrine:
        vitrine.execute("VACUUM ANALYZE vitrine.pedidos")
    return stack


@cache
def time_both() -> tuple[float, float]:
    """Return the seconds of a proof of all orders, and of hashing them once at both ends at the same time."""
    stack = fill_window()
    pair = _orders(stack)
    with _ends(stack, "vitrine") as vitrine, _ends(stack, "vps") as vps:
        prover = make_prover({"vitrine": vitrine, "vps": vps}, Pace(WHOLE), fence_s=FENCE_S)
        plain, proven = [], []
        for _ in range(3):
            plain.append(_time(lambda: _hash_both(vitrine, vps)))
            proven.append(_time(lambda: _prove_equal(prover, pair)))
    return min(proven), min(plain)


@cache
def time_peer() -> float:
    """Return the seconds that pgcopydb takes for the same rows and columns."""
    stack = fill_window()
    pair = _orders(stack)
    return compare_data(stack, pair, ends=(pair.source, pair.target))


def _hash_both(*ends: Connection) -> None:
    threads = [threading.Thread(target=conn.execute, args=(HASH,)) for conn in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _prove_equal(prover: Prover, one: Compared) -> None:
    proof = prover.prove(one)
    if not proof.proven:
        raise ValueError(f"{proof.counts} differ, {proof.unsettled} are unsettled")


@cache
def heal_drift() -> tuple[int, int]:
    """Have one row in a hundred thousand differ in each way; return the bytes moved and those of the rows."""
    stack = fill_window()
    pair = _orders(stack)
    with _ends(stack, "vitrine") as vitrine, _ends(stack, "vps") as vps:
        with vps.transaction():
            vps.execute("SET LOCAL session_replication_role = replica")
            vps.execute(f"DELETE FROM vitrine.pedidos WHERE id %% {DRIFT_EVERY} = 50001", [])  # noqa: S608
            vps.execute(
                f"UPDATE vitrine.pedidos SET cliente = 'outro' WHERE id %% {DRIFT_EVERY} = 50002",  # noqa: S608
                [],
            )
            vps.execute(
                "INSERT INTO vitrine.pedidos (id, versao)"
                " SELECT n, 1 FROM generate_series(2000000, 2000009) AS n"
            )
        text = sql.SQL("octet_length(ROW({})::text)").format(
            sql.SQL(", ").join(map(sql.Identifier, pair.columns))
        )
        drift = _one(
            vitrine,
            sql.SQL("SELECT sum({}) FROM vitrine.pedidos WHERE id %% {} IN (50001, 50002)").format(
                text, DRIFT_EVERY
            ),
        )[0]
        ends = {"vitrine": vitrine, "vps": vps}
        healer = Healer(ends, fence_s=FENCE_S)
        prover = make_prover(ends, Pace(WHOLE), fence_s=FENCE_S)
        prover.prove(pair, found=healer.heal)
        _prove_equal(prover, pair)
    return healer.done.moved_bytes, int(drift)


@cache
def measure_watch() -> float:
    """Return the share of one core that the watch's comparisons take of the busier server."""
    stack = fill_window()
    dsns = read_watch_dsns(stack.declaration, {"PONTE_SECRETS_DIR": str(stack.settings.folders.watch)})
    with Watch(stack.declaration, dsns) as watch:
        watch.look_first()
        before = _read_cpu(stack)
        began = time.monotonic()
        threading.Event().wait(WATCHED_S)
        spent = {
            end: sum(now - before[end].get(pid, 0.0) for pid, now in used.items())
            for end, used in _read_cpu(stack).items()
        }
    return max(spent.values()) / (time.monotonic() - began)


def _read_cpu(stack: Stack) -> dict[str, dict[int, float]]:
    """Return the seconds that each of the watch's comparing sessions has used, by server and process."""
    asked = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'ponte-prove' AND datname = current_database()"
    )
    found = {}
    for name in ("vitrine", "vps"):
        with connect(stack.clusters[name].conninfo(name)) as conn:
            pids = [pid for (pid,) in conn.execute(asked).fetchall()]
        found[name] = {pid: _cpu_s(pid) for pid in pids}
    return found


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / TICKS_S


def _orders(stack: Stack) -> TablePair:
    [export] = stack.declaration.active_exports
    return next(
        one
        for one in derive_compared(stack.declaration, export)
        if isinstance(one, TablePair) and one.table.name == "pedidos"
    )


def _ends(stack: Stack, name: str) -> Connection:
    return connect(stack.clusters[name].conninfo(name))


def _one(conn: Connection, query: str | sql.Composed) -> TupleRow:
    row = conn.execute(query if isinstance(query, sql.Composed) else query.encode(), []).fetchone()
    if row is None:
        raise ValueError("no row")
    return row


def _time(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


FIGURES: dict[str, Callable[[], float]] = {
    "verify_million_s": lambda: time_both()[0],
    "verify_vs_hash_scan": lambda: time_both()[0] / time_both()[1],
    "verify_vs_pgcopydb": lambda: time_both()[0] / time_peer(),
    "heal_bytes_vs_drift": lambda: heal_drift()[0] / heal_drift()[1],
    "watch_verify_cpu_share": measure_watch,
}
"""A million orders on the hop to the VPS; the share is of one core, of which 0.05 is the default's budget."""
