"""A row that did not arrive is named on every face, with its table and time, and mended by one apply."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from db.freshness import Cause
from publications.watch.checks import Level
from tests.fix_breaks import FRESH, SLACK_S, TWO_BEATS_S, wait_faces
from tests.fix_watch import WatchedRoad

pytestmark = pytest.mark.acceptance

BY_HAND = "SET session_replication_role = replica; DELETE FROM vitrine.pedidos WHERE id IN (3, 4)"


def delete_by_hand(seen: WatchedRoad) -> None:
    """Take rows away on the VPS that are then changed in SGP: their updates find nothing."""
    seen.road.run("vps", BY_HAND)
    seen.road.run("sgp", "UPDATE pedidos SET observacao = 'depois' WHERE id IN (3, 4)")
    seen.road.wait_arrival()


def truncate(seen: WatchedRoad) -> None:
    seen.road.run("vps", "SET session_replication_role = replica; TRUNCATE vitrine.pedidos")


def hold_back(seen: WatchedRoad) -> None:
    """Have an update dropped on its way in, as by an index that serves no more."""
    seen.road.run(
        "vps",
        "CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    )
    seen.road.run(
        "vps",
        "CREATE TRIGGER a_lose BEFORE UPDATE OR DELETE ON vitrine.imagens FOR EACH ROW"
        " EXECUTE FUNCTION public.lose()",
    )
    seen.road.run("vps", "ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER a_lose")
    seen.road.run("sgp", "UPDATE pedido_imagens SET filename = 'outro.jpg' WHERE id = 1")
    seen.road.run("sgp", "DELETE FROM pedido_imagens WHERE id = 2")
    seen.road.wait_arrival()
    seen.road.run("vps", "DROP FUNCTION public.lose() CASCADE")


LOSSES: dict[str, tuple[Callable[[WatchedRoad], None], str]] = {
    "deleted by hand": (delete_by_hand, "vitrine.pedidos"),
    "truncated": (truncate, "vitrine.pedidos"),
    "an update and a delete that were dropped": (hold_back, "vitrine.imagens"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_that_is_lost_on_the_vps_is_named_everywhere_and_copied_again(
    watched_road: WatchedRoad, loss: str
) -> None:
    lose, table = LOSSES[loss]
    lose(watched_road)
    wait_faces(watched_road, FRESH, Cause.CHANGES_LOST, 2 * TWO_BEATS_S + SLACK_S)
    code, said = watched_road.run_command("status", "--nagios")
    assert (code, f"rows of {table} on vps are missing" in said) == (Level.CRITICAL, True)
    page, numbers = watched_road.panel.get("/"), watched_road.panel.get("/metrics")
    assert f"linhas de {table} em vps" in page
    assert f'ponte_hop_lost_rows{{source="vitrine",table="{table}",target="vps"}}' in numbers
    assert "rows lost" in watched_road.run_command("lag")[1]
    watched_road.road.apply()
    watched_road.wait_ok()
    wait_faces(watched_road, FRESH, None, TWO_BEATS_S + SLACK_S)
    for name in ("pedidos", "imagens"):
        assert watched_road.road.digest("vps", f"vitrine.{name}") == watched_road.road.digest(
            "vitrine", f"vitrine.{name}"
        )
    assert watched_road.road.read().plan.steps == ()


def test_a_busy_road_on_which_nothing_is_lost_is_never_said_to_lose_anything(
    watched_road: WatchedRoad,
) -> None:
    """Sums differ at each look while rows are under way; each row is then looked at."""
    for round_ in range(120):
        watched_road.road.run(
            "sgp", "UPDATE pedidos SET observacao = %s WHERE id %% 3 = %s", str(round_), round_ % 3
        )
        watched_road.road.run("sgp", "DELETE FROM pedido_imagens WHERE id = %s", 10 + round_)
        if round_ % 10 == 0:
            assert watched_road.read_panel().causes is not None
            assert Cause.CHANGES_LOST not in (watched_road.read_panel().causes or ())
            assert watched_road.road.read().live["vps"].lost == frozenset()


def lose_on_landing(seen: WatchedRoad) -> None:
    """Take a row off landing alone; the update that SGP sends then finds none."""
    seen.road.run("vitrine", "ALTER TABLE public.pedidos DISABLE TRIGGER project")
    seen.road.run("vitrine", "DELETE FROM public.pedidos WHERE id = 5")
    seen.road.run("vitrine", "ALTER TABLE public.pedidos ENABLE ALWAYS TRIGGER project")
    seen.road.run("sgp", "UPDATE pedidos SET observacao = 'perdida' WHERE id = 5")


def truncate_landing(seen: WatchedRoad) -> None:
    seen.road.run("vitrine", "TRUNCATE public.pedidos")


@pytest.mark.parametrize("lose", [lose_on_landing, truncate_landing])
def test_what_was_lost_on_landing_is_named_everywhere_and_copied_again(
    watched_road: WatchedRoad, lose: Callable[[WatchedRoad], None]
) -> None:
    lose(watched_road)
    wait_faces(watched_road, FRESH, Cause.CHANGES_LOST, 2 * TWO_BEATS_S + SLACK_S)
    # A comparison may miss the row before a beat tells of the gap, which is what is to be mended.
    gaps = "SELECT 1 FROM projection.gaps"
    watched_road.road.wait(lambda: watched_road.road.run("vitrine", gaps) != [], "a beat tells of the gap")
    watched_road.road.apply()
    watched_road.wait_ok()
    watched_road.road.wait_arrival()
    held = "SELECT id, observacao FROM {}pedidos ORDER BY id"
    orders = watched_road.road.run("sgp", held.format("public."))
    assert watched_road.road.run("vitrine", held.format("public.")) == orders
    assert watched_road.road.run("vps", held.format("vitrine.")) == orders
    assert watched_road.road.digest("vps") == watched_road.road.digest("vitrine")
    assert watched_road.road.read().plan.steps == ()


def test_a_table_that_sgp_truncates_is_emptied_on_the_vps(watched_road: WatchedRoad) -> None:
    watched_road.road.run("sgp", "TRUNCATE pedido_imagens")
    watched_road.road.wait_arrival()
    assert watched_road.road.run("vps", "SELECT id FROM vitrine.imagens") == []
    wait_faces(watched_road, FRESH, None, TWO_BEATS_S + SLACK_S)
