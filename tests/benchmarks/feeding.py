"""How soon SGP's commit to its SQLite file is on the VPS, and what SGP's writer feels of the feeder.

Collected by `tests.benchmarks.feeder` alone: the road's fixtures are pytest's. An order has 4 KB, as there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.fix_fed import FedRoad, SgpProcess, fill

Note = Callable[[str, object], None]

ROUNDS = 60
STORM_S = float(os.environ.get("PONTE_BENCH_STORM_S", "600"))
RATE = 200.0
ITEMS = json.dumps([{"id": 1, "descricao": "Painel", "observacao": "x" * 900, "tecido": "Lona"}] * 4)
DEADLINE_S = 30.0


def prepare(fed: FedRoad, sgp: SgpProcess, orders: int) -> None:
    """Have so many orders in the file and on the VPS, and the feeder at work with its own settings."""
    for table in ("pedidos", "user", "pedido_imagens"):
        sgp.run(f"DELETE FROM {table}")  # noqa: S608  # these three
    fill(sgp, orders, items=ITEMS)
    fed.beat_seconds = 2.0
    fed.start()
    fed.wait_for("SELECT count(*)::int FROM vitrine.pedidos", orders, at="vps")
    fed.wait_beat()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("orders", [520, 20_000])
def test_visible(fed_road: FedRoad, wal_file: SgpProcess, orders: int, record_property: Note) -> None:
    prepare(fed_road, wal_file, orders)
    taken = []
    with fed_road.road.connect("vps") as conn:
        for number in range(ROUNDS):
            key, mark = 1 + number * 7 % orders, f"bench {number}"
            time.sleep(0.05 + number % 10 / 40)  # at any moment of the feeder's
            wal_file.run("UPDATE pedidos SET observacao = ? WHERE id = ?", [mark, key])
            committed = time.perf_counter()
            query = "SELECT 1 FROM vitrine.pedidos WHERE id = %s AND observacao = %s"
            while conn.execute(query, [key, mark]).fetchone() is None:
                assert time.perf_counter() < committed + DEADLINE_S, mark
            taken.append((time.perf_counter() - committed) * 1000)
    record_property(f"visible_ms_median_{orders}", median(taken))
    record_property(f"visible_ms_max_{orders}", max(taken))
    record_property(f"look_ms_{orders}", 1000 * fed_road.ask("SELECT took_seconds FROM projection.feed"))


@pytest.mark.timeout(3 * STORM_S + 300)
@pytest.mark.parametrize("sgp_file", ["wal", "delete"], indirect=True)
def test_storm(
    fed_road: FedRoad, sgp_file: SgpProcess, record_property: Note, request: pytest.FixtureRequest
) -> None:
    mode = request.node.callspec.params["sgp_file"]
    prepare(fed_road, sgp_file, 520)
    fed_road.stop_feeders()
    alone = sgp_file.ask("storm", STORM_S / 4, RATE)
    fed_road.start()
    fed_road.wait_beat()
    beside = sgp_file.ask("storm", STORM_S, RATE)
    for name, found in (("alone", alone), ("beside", beside)):
        for what, value in found.items():
            record_property(f"{mode}_{name}_{what}", value)
