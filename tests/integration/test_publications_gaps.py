"""What went while nobody listened comes back: lost slots, new subscriptions, an apply that was ended."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from pydantic import SecretStr

from publications.apply import apply
from publications.changes import Change, CopyAgain
from publications.declaration import DEFAULT_PATH, Declaration, parse_declaration
from publications.render import describe
from tests.fix_road import Road, with_filter
from tests.integration.test_publications import OTHER, Killed

pytestmark = pytest.mark.integration

ROLES = "# ---------------------------------------------------------------- roles of the services"


def assert_in_step(road: Road, declaration: Declaration | None = None) -> None:
    """Both ends are the same, and there is nothing left to do."""
    road.wait_arrival()
    road.wait(lambda: road.digest("vps") == road.digest("vitrine"), "the same on both ends")
    assert road.run("vps", "SELECT id FROM vitrine.usuarios ORDER BY 1") == road.run(
        "vitrine", "SELECT id FROM vitrine.usuarios ORDER BY 1"
    )
    reading = road.read(declaration)
    assert [describe(step) for step in reading.plan.steps] == []
    assert [error.fact for error in reading.objections] == []


def drop_slot(road: Road) -> None:
    idle = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
    road.wait(lambda: road.run("vitrine", idle) != [], "an idle slot")
    road.run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")


def lose_subscription(road: Road) -> None:
    for change in ("DISABLE", "SET (slot_name = NONE)"):
        road.run("vps", f"ALTER SUBSCRIPTION sub_vps {change}")
    road.run("vps", "DROP SUBSCRIPTION sub_vps")
    drop_slot(road)


def apply_step_by_step(road: Road) -> int:
    """End each run at its second step; return how many were ended."""
    for ended in range(60):
        taken: list[Change] = []

        def report(step: Change, taken: list[Change] = taken) -> None:
            taken.append(step)
            if len(taken) > 1:
                raise Killed

        try:
            with road.session() as session:
                apply(session, allow_drop=False, report=report)
        except Killed:
            continue
        return ended
    raise AssertionError("it does not converge")


def test_who_was_deleted_while_there_was_no_subscription_does_not_stay(road: Road) -> None:
    lose_subscription(road)
    road.run("sgp", 'DELETE FROM "user" WHERE id = 5')
    road.run("sgp", "UPDATE pedidos SET observacao = 'enquanto isso' WHERE id < 10")
    road.apply()
    assert_in_step(road)
    assert road.run("vps", "SELECT 1 FROM vitrine.usuarios WHERE id = 5") == []


def test_a_slot_that_was_dropped_is_made_good_whenever_apply_is_ended(road: Road) -> None:
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    drop_slot(road)
    road.run("sgp", "UPDATE pedidos SET observacao = 'perdido' WHERE id < 10")
    road.run("sgp", 'DELETE FROM "user" WHERE id = 5')
    road.wait(
        lambda: road.run("vitrine", "SELECT 1 FROM vitrine.usuarios WHERE id = 5") == [], "it in the window"
    )
    road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")
    assert apply_step_by_step(road) > 3
    assert road.apply().steps == ()
    assert_in_step(road)


def test_an_apply_that_was_ended_before_it_copied_copies_the_next_time(road: Road) -> None:
    filtered = with_filter("status <> 'cancelado'")
    road.apply(filtered)
    road.wait_arrival()

    def report(step: Change) -> None:
        if isinstance(step, CopyAgain):
            raise Killed

    with pytest.raises(Killed), road.session() as session:
        apply(session, allow_drop=False, report=report)
    road.apply()
    assert_in_step(road)


def test_no_order_is_buried_while_a_filter_changes(road: Road) -> None:
    """A filter's column belongs to the identity as long as any publication asks for it."""
    road.apply(with_filter("status <> 'cancelado'"))
    road.wait_arrival()
    other = with_filter("prioridade <> 'X'")

    def report(step: Change) -> None:
        road.run("sgp", "UPDATE pedidos SET observacao = md5(random()::text) WHERE id = 7")
        road.wait_arrival()
        assert road.run("vitrine", "SELECT * FROM projection.dead_letters") == []

    with road.session(other) as session:
        apply(session, allow_drop=False, report=report)
    assert road.apply(other).steps == ()
    assert_in_step(road, other)


def test_no_order_is_buried_when_a_subscriber_leaves(road: Road) -> None:
    both = DEFAULT_PATH.read_text(encoding="utf-8").replace(ROLES, OTHER, 1)
    road.servers.clusters["other"] = road.servers.clusters["vps"]
    with road.servers.clone("vps", "other"):
        dsns = {**road.settings.dsns, "other": SecretStr(road.servers.clusters["vps"].conninfo("other"))}
        road.settings = replace(road.settings, dsns=dsns)
        road.apply(parse_declaration(both, origin="test"))
        gone = both.replace('target = "other"', 'target = "other"\nremoved = true')
        removed = parse_declaration(gone, origin="test")
        road.apply(removed)
        road.run("sgp", "UPDATE pedidos SET observacao = 'depois' WHERE id < 12")
        road.wait_arrival()
        assert road.run("vitrine", "SELECT * FROM projection.dead_letters") == []
        road.apply(removed, allow_drop=True)
        identity = "SELECT relreplident::text FROM pg_class WHERE oid = 'vitrine.pedidos'::regclass"
        assert road.run("vitrine", identity) == [("d",)]


def test_a_large_city_enters_a_filter_whole(road: Road) -> None:
    city = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    filtered = with_filter("status <> 'cancelado'")
    road.run("sgp", "UPDATE pedidos SET status = 'cancelado', cidade_cliente = %s WHERE id = 7", city)
    road.apply(filtered)
    road.wait_arrival()
    assert road.run("vps", "SELECT 1 FROM vitrine.pedidos WHERE id = 7") == []
    road.run("sgp", "UPDATE pedidos SET status = 'pronto' WHERE id = 7")
    road.wait_arrival()
    assert road.run("vps", "SELECT cidade_cliente FROM vitrine.pedidos WHERE id = 7") == [(city,)]
