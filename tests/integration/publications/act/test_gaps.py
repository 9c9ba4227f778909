"""What went while nobody listened comes back: lost slots, new subscriptions, an apply that was ended."""

from __future__ import annotations

import random

import pytest

from publications.act.apply import NotConvergedError, apply, wait_for_copies
from publications.commands.step_words import describe
from publications.decide.changes.rows import CloseGap
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import CopyAgain
from publications.declare.declaration import Declaration, parse_declaration
from tests.fix_gaps import (
    HOPS,
    Killed,
    apply_step_by_step,
    beat_at,
    delete_somebody,
    drop_slot,
    is_there,
    lose_changes,
    lose_subscription,
    read_notes,
)
from tests.fix_road import DEADLINE_S, Road, with_filter
from tests.integration.publications.act.test_apply import second_subscriber

pytestmark = pytest.mark.integration


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


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


def test_who_was_deleted_while_there_was_no_subscription_does_not_stay(road: Road) -> None:
    lose_subscription(road)
    gone = delete_somebody(road)
    road.run("sgp", "UPDATE pedidos SET observacao = 'enquanto isso' WHERE id < 10")
    road.apply()
    assert_in_step(road)
    assert not is_there(road, "vps", gone)


def test_a_slot_that_was_dropped_is_made_good_whenever_apply_is_ended(road: Road) -> None:
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    drop_slot(road)
    road.run("sgp", "UPDATE pedidos SET observacao = 'perdido' WHERE id < 10")
    gone = delete_somebody(road)
    road.wait(lambda: not is_there(road, "vitrine", gone), "it in the window")
    road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")
    assert apply_step_by_step(road) > 3
    assert road.apply().steps == ()
    assert_in_step(road)


@pytest.mark.parametrize("hop", HOPS)
def test_changes_that_a_slot_passed_over_are_noted_on_their_own_hop_and_copied_again(
    road: Road, hop: str
) -> None:
    """A beat that the first hop lost passes the second one whole."""
    target = HOPS[hop][2]
    gone = lose_changes(road, *HOPS[hop])
    assert read_notes(road) == {"vitrine": 0, "vps": 0} | {target: 1}
    assert is_there(road, "vps", gone)
    assert apply_step_by_step(road) > 3
    assert road.apply().steps == ()
    assert_in_step(road)
    assert read_notes(road) == {"vitrine": 0, "vps": 0}
    assert not is_there(road, "vps", gone)


def test_a_gap_that_is_noted_while_another_is_mended_stays(road: Road) -> None:
    lose_changes(road, *HOPS["export"])

    def report(step: Step) -> None:
        if isinstance(step, CloseGap):
            note = "INSERT INTO guard.gaps (after_beat, beat) VALUES (1, 3)"
            road.run("vps", note)

    with pytest.raises(NotConvergedError), road.session() as session:
        apply(session, allow_drop=False, report=report)
    assert read_notes(road)["vps"] == 1
    road.apply()
    assert_in_step(road)


def test_a_heartbeat_that_is_copied_again_leaves_no_gap(road: Road) -> None:
    """Its copy passes over beats, and so do old beats that come again; neither has lost anything."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DROP PUBLICATION pub_vps_heartbeat")
    road.run("vitrine", "ALTER SUBSCRIPTION sub_intake DROP PUBLICATION pub_intake_heartbeat")
    road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 50")
    road.apply()
    road.wait_arrival()
    road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat - 20")
    road.wait_arrival()
    assert read_notes(road) == {"vitrine": 0, "vps": 0}
    assert_in_step(road)


@pytest.mark.spoils
def test_a_beat_that_cannot_be_projected_says_what_was_lost_before_it(road: Road) -> None:
    road.run("vitrine", "ALTER TABLE vitrine.heartbeat ADD CONSTRAINT never CHECK (beat < 0) NOT VALID")
    road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 5")
    road.wait(lambda: read_notes(road)["vitrine"] == 1, "the gap")
    letters = "SELECT landing FROM projection.dead_letters"
    road.wait(lambda: road.run("vitrine", letters) == [("ponte.heartbeat",)], "the dead letter")


def test_a_slot_dropped_under_a_beating_heart_takes_one_apply(road: Road) -> None:
    """Beats come by the new slot before the heartbeat's copy does: a gap, which the copies close."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    drop_slot(road)
    beat_at(road, "vitrine")
    road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")

    def report(step: Step) -> None:
        if isinstance(step, CopyAgain):
            road.wait_arrival()

    with road.session() as session:
        apply(session, allow_drop=False, report=report)
        wait_for_copies(session, timeout_s=DEADLINE_S)
    assert_in_step(road)
    assert read_notes(road) == {"vitrine": 0, "vps": 0}


def test_an_apply_that_was_ended_before_it_copied_copies_the_next_time(road: Road) -> None:
    filtered = with_filter("status <> 'cancelado'")
    road.apply(filtered)
    road.wait_arrival()

    def report(step: Step) -> None:
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

    def report(step: Step) -> None:
        road.run("sgp", "UPDATE pedidos SET observacao = md5(random()::text) WHERE id = 7")
        road.wait_arrival()
        assert road.run("vitrine", "SELECT * FROM projection.dead_letters") == []

    with road.session(other) as session:
        apply(session, allow_drop=False, report=report)
    assert road.apply(other).steps == ()
    assert_in_step(road, other)
    road.apply()


def test_no_order_is_buried_when_a_subscriber_leaves(road: Road) -> None:
    with second_subscriber(road) as both:
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
    city = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4_096))
    filtered = with_filter("status <> 'cancelado'")
    road.run("sgp", "UPDATE pedidos SET status = 'cancelado', cidade_cliente = %s WHERE id = 7", city)
    road.apply(filtered)
    road.wait_arrival()
    assert road.run("vps", "SELECT 1 FROM vitrine.pedidos WHERE id = 7") == []
    road.run("sgp", "UPDATE pedidos SET status = 'pronto' WHERE id = 7")
    road.wait_arrival()
    assert road.run("vps", "SELECT cidade_cliente FROM vitrine.pedidos WHERE id = 7") == [(city,)]
    road.apply()


def test_a_gap_on_the_way_from_sgp_names_the_tables_in_which_it_shows(road: Road) -> None:
    gone = lose_changes(road, *HOPS["intake"])
    named = {error.fact.split(" is not what sgp has")[0] for error in road.read().findings}
    assert "vitrine's public.user" in named
    assert "vitrine's public.pedido_imagens" not in named
    road.apply()
    assert_in_step(road)
    assert not is_there(road, "vps", gone)
