"""What was missed, or is not to be there any more, while somebody changed things; one road for all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from publications.render import describe, to_script
from tests.fix_road import Road


@pytest.fixture
def road(mended_road: Road) -> Iterator[Road]:
    """The module's road; what a test leaves behind fails that test."""
    yield mended_road
    reading = mended_road.read()
    assert [describe(step) for step in reading.plan.steps] == []
    assert [error.fact for error in reading.objections] == []


def add_order(road: Road, key: int) -> None:
    """Add an order in SGP that is like the third."""
    road.run(
        "sgp",
        "INSERT INTO pedidos SELECT (jsonb_populate_record(p, jsonb_build_object('id', %s::int))).*"
        " FROM pedidos AS p WHERE id = 3",
        key,
    )


@pytest.mark.parametrize(
    "fault",
    ["DROP TRIGGER project ON public.pedidos", "ALTER TABLE public.pedidos DISABLE TRIGGER project"],
    ids=["gone", "disabled"],
)
def test_a_trigger_that_is_put_back_projects_what_it_missed(road: Road, fault: str) -> None:
    add_order(road, 9001)
    road.wait_arrival()
    road.run("vitrine", fault)
    add_order(road, 9002)
    road.run("sgp", "UPDATE pedidos SET observacao = 'sem gatilho' WHERE id = 3")
    road.run("sgp", "DELETE FROM pedidos WHERE id = 9001")
    road.wait_arrival()
    script = to_script(road.read().plan)
    road.apply()
    road.wait_arrival()
    seen = road.run("vps", "SELECT id FROM vitrine.pedidos WHERE observacao = 'sem gatilho' OR id > 9000")
    assert sorted(seen) == [(3,), (9002,)]
    assert road.digest("vps") == road.digest("vitrine")
    assert 'SELECT projection.reproject(\'"public"."pedidos"\'::regclass);' in script
    road.run("sgp", "DELETE FROM pedidos WHERE id = 9002")
    road.wait_arrival()
