"""What went while nobody listened comes back: lost slots, new subscriptions, an apply that was ended."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from pydantic import SecretStr

from publications.apply import NotConvergedError, apply, wait_for_copies
from publications.changes import Change, CloseGap, CopyAgain
from publications.declaration import STARTING_PATH, Declaration, parse_declaration
from publications.render import describe
from tests.fix_road import DEADLINE_S, Road, with_filter
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


def beat_at(road: Road, name: str) -> None:
    """Beat once, and wait until it is there."""
    [[beat]] = road.run("sgp", "UPDATE ponte.heartbeat SET beat = beat + 1 RETURNING beat")
    query = "SELECT 1 FROM vitrine.heartbeat WHERE beat = %s"
    road.wait(lambda: name == "sgp" or road.run(name, query, beat) != [], "the beat")


def lose_changes(road: Road, source: str, slot: str, target: str, subscription: str) -> None:
    """Let a slot pass over what was written, as where its subscriber was put back to an earlier moment."""
    road.run(target, f"ALTER SUBSCRIPTION {subscription} DISABLE")
    idle = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
    road.wait(lambda: road.run(source, idle, slot) != [], "an idle slot")
    road.run("sgp", "UPDATE pedidos SET observacao = 'perdido' WHERE id < 10")
    road.run("sgp", 'DELETE FROM "user" WHERE id = 5')
    beat_at(road, source)
    road.run(source, "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", slot)
    road.run(target, f"ALTER SUBSCRIPTION {subscription} ENABLE")
    road.wait_arrival()


HOPS = {
    "intake": ("sgp", "slot_intake", "vitrine", "sub_intake"),
    "export": ("vitrine", "slot_vps", "vps", "sub_vps"),
}
NOTES = {"vitrine": "projection.gaps", "vps": "guard.gaps"}


def read_notes(road: Road) -> dict[str, int]:
    return {name: len(road.run(name, f"SELECT 1 FROM {notes}")) for name, notes in NOTES.items()}  # noqa: S608


@pytest.mark.parametrize("hop", HOPS)
def test_changes_that_a_slot_passed_over_are_noted_on_their_own_hop_and_copied_again(
    road: Road, hop: str
) -> None:
    """A beat that the first hop lost passes the second one whole."""
    target = HOPS[hop][2]
    lose_changes(road, *HOPS[hop])
    assert read_notes(road) == {"vitrine": 0, "vps": 0} | {target: 1}
    assert road.run("vps", "SELECT 1 FROM vitrine.usuarios WHERE id = 5") != []
    assert apply_step_by_step(road) > 3
    assert road.apply().steps == ()
    assert_in_step(road)
    assert read_notes(road) == {"vitrine": 0, "vps": 0}
    assert road.run("vps", "SELECT 1 FROM vitrine.usuarios WHERE id = 5") == []


def test_a_gap_that_is_noted_while_another_is_mended_stays(road: Road) -> None:
    lose_changes(road, *HOPS["export"])

    def report(step: Change) -> None:
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


def test_a_count_that_is_sent_later_leaves_no_gap(unapplied_road: Road) -> None:
    """An upgrade with beats under way that don't have it yet."""
    road, text = unapplied_road, STARTING_PATH.read_text(encoding="utf-8")
    assert '"landings", ' in text
    older = parse_declaration(text.replace('"landings", ', ""), origin="test")
    road.apply(older)
    road.wait_arrival()
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    for _ in range(3):
        beat_at(road, "vitrine")

    def report(step: Change) -> None:
        beat_at(road, "vitrine")

    road.link.cut()  # the count is filled in and the beats before it have not come
    with road.session() as session:
        apply(session, allow_drop=False, report=report)
    road.link.heal()
    road.wait_arrival()
    landings = [road.run(name, "SELECT landings FROM vitrine.heartbeat") for name in ("vitrine", "vps")]
    assert landings[0] == landings[1] != [(None,)]
    assert read_notes(road) == {"vitrine": 0, "vps": 0}
    lose_changes(road, *HOPS["export"])
    assert read_notes(road)["vps"] == 1


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

    def report(step: Change) -> None:
        if isinstance(step, CopyAgain):
            road.wait_arrival()

    with road.session() as session:
        apply(session, allow_drop=False, report=report)
        wait_for_copies(session, report=lambda _: None, timeout_s=DEADLINE_S)
    assert_in_step(road)
    assert read_notes(road) == {"vitrine": 0, "vps": 0}


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
    both = STARTING_PATH.read_text(encoding="utf-8").replace(ROLES, OTHER, 1)
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
