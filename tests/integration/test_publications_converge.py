"""Broken states that two runs of apply at most bring back in sync, with equal rows on both ends."""

from __future__ import annotations

import pytest

from tests.fix_gaps import HOPS, delete_somebody, wait_idle
from tests.fix_road import Road, plan_lines

WINDOW = ("vitrine.pedidos", "vitrine.usuarios", "vitrine.imagens")


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def converge(road: Road) -> None:
    """Apply, at most twice; fail unless all is in sync and both ends hold the same."""
    road.apply()
    if plan_lines(road):
        road.apply()
    assert plan_lines(road) == []
    assert [error.fact for error in road.read().objections] == []
    road.wait_arrival()
    for table in WINDOW:
        assert road.digest("vps", table) == road.digest("vitrine", table)


LOST_A_PUBLICATION = {
    "while it was disabled": ("DISABLE", "DROP PUBLICATION pub_vps_pedidos WITH (refresh = false)"),
    "while it ran": ("DROP PUBLICATION pub_vps_pedidos WITH (refresh = false)",),
    "and its table": ("DROP PUBLICATION pub_vps_pedidos", "DISABLE"),
}


@pytest.mark.parametrize("how", LOST_A_PUBLICATION)
def test_a_subscription_that_lost_a_publication_follows_it_again(road: Road, how: str) -> None:
    for change in LOST_A_PUBLICATION[how]:
        road.run("vps", f"ALTER SUBSCRIPTION sub_vps {change}")
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id < 10", how)
    converge(road)
    [[seen]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE observacao = %s", how)
    assert seen == 9


def test_a_subscription_that_an_upgrade_left_without_tables_copies_them_again(road: Road) -> None:
    """As pg_upgrade from 15 leaves it: disabled, and of no table does it know."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    wait_idle(road, *HOPS["export"])
    road.run("vps", "SET allow_system_table_mods = on; DELETE FROM pg_subscription_rel")
    delete_somebody(road)
    converge(road)
