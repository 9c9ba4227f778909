"""A push as whoever watches sees it, with a way into the VPS's database and without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from rich.console import Console

from db.freshness import Cause
from publications.faces.machine import to_json, to_nagios
from publications.faces.terminal import to_renderable
from publications.panel.metrics import collect
from publications.watch.checks import check_view
from publications.watch.road import Watch
from publications.watch.view import View
from tests.fix_clusters import Servers, clone_all
from tests.fix_push import Pushed, declare_pushed, open_pushed, run_pushed
from tests.fix_road import ROLE_PASSWORD, Road
from tests.fix_watch import Heart

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(300)]


@contextmanager
def watching(road: Road, *, sees_vps: bool) -> Iterator[Watch]:
    dsns = {
        name: SecretStr(
            make_conninfo(
                road.servers.clusters[name].conninfo(name), user="ponte_watch", password=ROLE_PASSWORD
            )
        )
        for name in road.declaration.watched
        if sees_vps or name != "vps"
    }
    with Watch(road.declaration, dsns, interval_s=0.2) as watch:
        watch.look_first()
        yield watch


@pytest.fixture(scope="module")
def beaten(servers: Servers, server_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    with (
        clone_all(servers),
        open_pushed(servers, server_root, declare_pushed()) as road,
        run_pushed(road, tmp_path_factory.mktemp("beaten")) as running,
    ):
        running.wait_equal()
        sgp = make_conninfo(
            servers.clusters["sgp"].conninfo("sgp"), user="ponte_worker", password=ROLE_PASSWORD
        )
        heart = Heart(sgp)
        heart.start()
        try:
            yield running
        finally:
            heart.stop()


def causes(view: View) -> tuple[Cause, ...]:
    return view.measure("vps").causes


def show(view: View) -> str:
    console = Console(width=240)
    with console.capture() as said:
        console.print(to_renderable(view, check_view(view)))
    return said.get()


@pytest.mark.parametrize("sees_vps", [False, True])
def test_a_push_is_ok_while_it_runs_and_its_slot_is_measured(beaten: Pushed, sees_vps: bool) -> None:
    road = beaten.road
    with watching(road, sees_vps=sees_vps) as watch:
        road.wait(lambda: watch.look().measure("vps").is_ok, f"OK\n{watch.look().measure('vps')}")
        view = watch.look()
        export = view.subscribers["vps"].export
        assert (export.state.value, export.slot_name, export.subscription) == (
            "running",
            "slot_vps_push",
            None,
        )
        assert export.slot
        assert export.behind_s is not None
        metrics = {one.name: one.samples for one in collect(view, 0.0, 0.0)}
        assert [one.value for one in metrics["ponte_push_running_ratio"]] == [1.0]
        assert {one.labels["slot"] for one in metrics["ponte_slot_retained_bytes"]} >= {"slot_vps_push"}
        assert "sub_vps" not in to_json(view, check_view(view))
        assert "slot_vps_push_retained=" in to_nagios(view, check_view(view))


def test_a_push_is_ok_while_it_runs_and_says_what_stands_in_its_way(beaten: Pushed) -> None:
    road = beaten.road
    with watching(road, sees_vps=False) as watch:

        def wait(*wanted: Cause, what: str) -> None:
            road.wait(lambda: set(wanted) <= set(causes(watch.look())), f"{what}: {causes(watch.look())}")

        def wait_ok() -> None:
            road.wait(lambda: watch.look().measure("vps").is_ok, f"OK again: {causes(watch.look())}")

        wait_ok()
        beaten.kill("push")
        wait(Cause.PUSH_DEAD, what="nobody pushes")
        beaten.settings = {"PONTE_PUSH_API_KEY": "x" * 40}
        beaten.start("push")
        wait(Cause.PUSH_REFUSED, what="a wrong key")
        assert "x-api-key" in show(watch.look())
        beaten.kill("push")
        beaten.settings = {}
        beaten.start("push")
        wait_ok()
        beaten.kill("ingest")
        wait(Cause.PUSH_UNREACHABLE, what="no ingest")
        beaten.start("ingest")
        wait_ok()
        road.run("vitrine", "ALTER PUBLICATION pub_vps_imagens SET TABLE vitrine.imagens (id)")
        wait(Cause.PUSH_STOPPED, Cause.DRIFTED, what="a publication that was changed")
        road.apply()
        wait_ok()
        road.run("vps", "ALTER TABLE vitrine.usuarios ALTER username TYPE varchar(2) USING left(username, 2)")
        road.run("sgp", "UPDATE public.\"user\" SET username = 'comprido' WHERE id = 1")
        wait(Cause.PUSH_REJECTED, what="a VPS that can't take it")
        road.run("vps", "ALTER TABLE vitrine.usuarios ALTER username TYPE text")
        wait_ok()
        beaten.wait_equal(tables=("imagens", "pedidos"))
