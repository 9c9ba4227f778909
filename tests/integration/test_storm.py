"""SGP never stops changing while the link and the servers break, again and again, at any byte."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg
import pytest

from db.intranet.landing import LANDING_COLUMNS
from infra.devstack.seed import change_order, delete_order, insert_order
from tests.fix_road import Road

BLOWS = 6
CHANGES_A_BLOW = 40


class Shop:
    """SGP's users, who change, add and delete orders all the time; counts what they did."""

    def __init__(self, road: Road, seed: int) -> None:
        self.committed = 0
        self.error: BaseException | None = None
        self._road = road
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        try:
            with self._road.connect("sgp") as sgp:
                mine: list[int] = []
                while not self._stop.is_set():
                    with sgp.transaction():
                        self._do_something(sgp, mine)
                    self.committed += 1
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            self.error = error

    def _do_something(self, sgp: psycopg.Connection[tuple[object, ...]], mine: list[int]) -> None:
        action = self._rng.random()
        if action < 0.15:
            mine.append(insert_order(sgp, rng=self._rng))
        elif action < 0.2 and mine:
            delete_order(sgp, mine.pop(self._rng.randrange(len(mine))))
        else:
            change_order(sgp, rng=self._rng)

    def __enter__(self) -> Shop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_changes(self, count: int) -> None:
        """Wait until so many more transactions are committed."""
        wanted = self.committed + count
        self._road.wait(
            lambda: self.error is not None or self.committed >= wanted, f"{count} more changes in SGP"
        )
        assert self.error is None, self.error


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def break_link(road: Road, shop: Shop, rng: random.Random) -> None:
    """Cut after some bytes, in the middle of whatever is on its way, or swallow some."""
    road.link.cut_after(rng.randrange(1, 20_000))
    shop.wait_for_changes(CHANGES_A_BLOW)
    road.link.heal()
    if rng.random() < 0.5:
        road.link.deafen()
        shop.wait_for_changes(CHANGES_A_BLOW)
        road.link.heal()


def kill_servers(road: Road, shop: Shop, rng: random.Random) -> None:
    """Kill the window's server, the VPS's or both, in the middle of the traffic."""
    for name in rng.choice([["vps"], ["vitrine"], ["vps", "vitrine"]]):
        road.servers.clusters[name].kill()
    shop.wait_for_changes(CHANGES_A_BLOW)
    for name in ("vitrine", "vps"):
        road.servers.clusters[name].start()


def read_rows(road: Road, name: str) -> list[tuple[object, ...]]:
    """Read the published columns of SGP's orders at either end, as text; of items what tells them apart."""
    told = {"sgp": "chr(29) || left(md5(items), 4)", "vitrine": "left(items, 5)"}[name]
    columns = ", ".join(
        told if column == "items" else f"{column}::text" for column in LANDING_COLUMNS["public.pedidos"]
    )
    return road.run(name, f"SELECT {columns} FROM public.pedidos ORDER BY id")  # noqa: S608


@pytest.mark.parametrize("blow", [break_link, kill_servers], ids=lambda blow: blow.__name__)
def test_in_a_storm_everything_arrives_once(
    road: Road, blow: Callable[[Road, Shop, random.Random], None]
) -> None:
    rng = random.Random(20260111)
    with Shop(road, seed=5) as shop:
        for _ in range(BLOWS if blow is break_link else BLOWS // 2):
            shop.wait_for_changes(5)
            blow(road, shop, rng)
    assert shop.error is None
    road.wait_arrival()
    assert read_rows(road, "vitrine") == read_rows(road, "sgp")
    for table in ("vitrine.pedidos", "vitrine.imagens", "vitrine.usuarios"):
        assert road.digest("vps", table) == road.digest("vitrine", table)
    key = "SELECT id, observacao, pronto FROM {} ORDER BY id"
    assert road.run("vps", key.format("vitrine.pedidos")) == road.run("sgp", key.format("public.pedidos"))
    assert road.run("vitrine", "SELECT * FROM projection.dead_letters") == []
    assert road.read().plan.steps == ()
