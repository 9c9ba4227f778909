"""A database that is put back to an earlier moment, as from a provider's snapshot, is found and mended."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from db.freshness import Cause
from infra.devstack.clusters import Cluster
from publications.act.apply import NotConvergedError
from publications.commands.step_words import describe
from publications.watch.checks import Level
from tests.fix_breaks import FRESH, SLACK_S, TWO_BEATS_S, wait_faces
from tests.fix_clusters import ORDERS
from tests.fix_watch import WatchedRoad

pytestmark = pytest.mark.acceptance

TABLES = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas")


@contextmanager
def put_back(seen: WatchedRoad, name: str) -> Iterator[None]:
    """Have an endpoint's server, after a block, as it was before it: its files, as a crash leaves them."""
    cluster = seen.road.servers.clusters[name]
    kept = cluster.data_dir.with_name(f"{name}.snapshot")
    cluster.stop("immediate")
    shutil.copytree(cluster.data_dir, kept)
    cluster.start()
    seen.wait_ok()
    yield
    replace_files(cluster, kept)


def replace_files(cluster: Cluster, kept: object) -> None:
    cluster.stop("immediate")
    shutil.rmtree(cluster.data_dir)
    shutil.move(str(kept), cluster.data_dir)
    cluster.start()


def work(seen: WatchedRoad, word: str, gone: int, added: int) -> None:
    """Change, take away and add an order in SGP, and wait until every subscriber has confirmed that."""
    run = seen.road.run
    run("sgp", "UPDATE pedidos SET observacao = %s WHERE id = 1", word)
    run("sgp", "DELETE FROM pedidos WHERE id = %s", gone)
    run(
        "sgp",
        "INSERT INTO pedidos SELECT (jsonb_populate_record(p, jsonb_build_object('id', %s::int))).*"
        " FROM pedidos AS p WHERE id = 1",
        added,
    )
    seen.road.wait_arrival()
    for name in ("sgp", "vitrine"):
        [[written]] = run(name, "SELECT pg_current_wal_lsn()::text")
        seen.road.wait(partial(has_confirmed, seen, name, written), f"what {name} wrote is confirmed")


def has_confirmed(seen: WatchedRoad, name: str, written: object) -> bool:
    waiting = "SELECT 1 FROM pg_replication_slots WHERE confirmed_flush_lsn < %s::pg_lsn"
    return not seen.road.run(name, waiting, written)


def shown(seen: WatchedRoad, name: str, *keys: int) -> list[tuple[object, ...]]:
    query = "SELECT id, observacao FROM vitrine.pedidos WHERE id = ANY(%s) ORDER BY id"
    return seen.road.run(name, query, list(keys))


def assert_same(seen: WatchedRoad) -> None:
    seen.road.wait_arrival()
    for table in TABLES:
        assert seen.road.digest("vps", f"vitrine.{table}") == seen.road.digest("vitrine", f"vitrine.{table}")


def test_a_vps_that_was_put_back_is_named_and_copied_again(watched_road: WatchedRoad) -> None:
    """The publisher skips what the VPS once confirmed; slots, subscription and heartbeat all look well."""
    with put_back(watched_road, "vps"):
        work(watched_road, "depois", ORDERS, 900001)
    wait_faces(watched_road, FRESH, Cause.CHANGES_LOST, 2 * TWO_BEATS_S + SLACK_S)
    keys = (1, ORDERS, 900001)
    assert shown(watched_road, "vitrine", *keys) == [(1, "depois"), (900001, "depois")]
    assert [key for key, _ in shown(watched_road, "vps", *keys)] == [1, ORDERS]
    code, said = watched_road.run_command("status", "--nagios")
    assert (code, "changes were lost on the way" in said) == (Level.CRITICAL, True)
    assert "Mudanças se perderam no caminho" in watched_road.panel.get("/")
    assert 'ponte_hop_gaps_rows{source="vitrine",target="vps"} 1.0' in watched_road.panel.get("/metrics")
    steps = [describe(step) for step in watched_road.road.apply().steps]
    assert steps[-1].startswith("close gap between beats ")
    assert "copy again vitrine.pedidos by sub_vps" in steps
    assert_same(watched_road)
    watched_road.wait_ok()
    assert watched_road.road.read().plan.steps == ()


def test_a_vitrine_that_was_put_back_is_named_and_copied_again(watched_road: WatchedRoad) -> None:
    """What SGP does not send again, and what the VPS would take for old."""
    with put_back(watched_road, "vitrine"):
        work(watched_road, "mais tarde", ORDERS - 1, 900002)
    query = "SELECT 1 FROM projection.gaps"
    watched_road.road.wait(lambda: bool(watched_road.road.run("vitrine", query)), "a gap on the way from SGP")
    assert watched_road.read_command("status").cause is Cause.CHANGES_LOST
    with contextlib.suppress(NotConvergedError):  # in the middle of it the VPS may find what it lost
        watched_road.road.apply()
    assert watched_road.road.run("vitrine", query) == []
    found = shown(watched_road, "vitrine", 1, ORDERS - 1, 900002)
    assert found == [(1, "mais tarde"), (900002, "mais tarde")]
    watched_road.road.apply()
    assert_same(watched_road)
    watched_road.wait_ok()
