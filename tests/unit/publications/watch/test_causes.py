"""One judgement of servers and hops: each sign leads to its own cause, and silence alone to the link."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from db.freshness import Cause, HopState
from db.unreached import Unreached
from publications.decide.spec import Room
from publications.watch.beat import Beat
from publications.watch.causes import COUNTED_S, TAKEN_S, HopEnds, find_server_fault, judge_hop
from publications.watch.rare import LastError
from publications.watch.reading import EndpointReading, Listener
from publications.watch.sight import Sight
from publications.watch.slots import SlotState
from publications.watch.subscription import SubscriptionState

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RETRY_S = 5.0
JUDGED_S = COUNTED_S + 2 * RETRY_S
SLOT = SlotState(
    "vitrine", "slot_vps", active=True, retained_bytes=0, unconfirmed_bytes=0, wal_status="reserved"
)
FREED = replace(SLOT, active=False)
RUNNING = SubscriptionState(
    endpoint="vps",
    name="sub_vps",
    enabled=True,
    pid=7,
    received_bytes=10,
    applied_bytes=10,
    message_age_s=0.5,
    apply_errors=0,
    sync_errors=0,
    conflicts={},
    not_ready=(),
    lock_wait_s=None,
)
GONE = replace(RUNNING, pid=None, received_bytes=None, message_age_s=None)


def reading(name: str, beat: int = 5, **changes: object) -> EndpointReading:
    given = EndpointReading(
        endpoint=name,
        now=NOW,
        version_num=180006,
        wal_bytes=1,
        disk_free_bytes=None,
        rooms={"workers": Room(1, 4), "processes": Room(2, 8)},
        slots=(SLOT,),
        subscriptions=(RUNNING,),
        beat=Beat(beat, NOW, None, NOW),
        retry_s=RETRY_S,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


WELL = HopEnds("vitrine", "vps", "slot_vps", reading("vitrine"), reading("vps"), RUNNING)


def without_worker(unserved_s: float = 0.0, slot: SlotState = FREED, **changes: object) -> HopEnds:
    ends = replace(
        WELL, subscription=GONE, published=reading("vitrine", slots=(slot,)), unserved_s=unserved_s
    )
    return replace(ends, **changes)  # type: ignore[arg-type]


def failing(sqlstate: str, said: str | None = "no such column", age_s: float = 1.0) -> HopEnds:
    return without_worker(last_error=LastError(age_s, sqlstate, said))


LISTENER = Listener(42, "idle in transaction", "ana", "vps", 90)
LATER = reading("vitrine", beat=6)
JUDGED: dict[str, tuple[HopEnds, HopState, Cause | None]] = {
    "well": (WELL, HopState.RUNNING, None),
    "the target is away": (replace(WELL, received=None, subscription=None), HopState.UNKNOWN, None),
    "the source is away": (replace(WELL, published=None), HopState.UNKNOWN, None),
    "no slot": (replace(WELL, published=reading("vitrine", slots=())), HopState.LOST, Cause.SLOT_LOST),
    "a lost slot": (without_worker(slot=replace(FREED, wal_status="lost")), HopState.LOST, Cause.SLOT_LOST),
    "another slot": (replace(WELL, slot_replaced=True), HopState.LOST, Cause.SLOT_LOST),
    "none": (replace(WELL, subscription=None), HopState.STOPPED, Cause.SUBSCRIPTION_MISSING),
    "disabled": (
        replace(WELL, subscription=replace(GONE, enabled=False)),
        HopState.STOPPED,
        Cause.SUBSCRIPTION_DISABLED,
    ),
    "a lock": (
        replace(WELL, subscription=replace(RUNNING, lock_wait_s=1.5, blocked_by=(9,))),
        HopState.STOPPED,
        Cause.APPLY_BLOCKED,
    ),
    "a lock of a moment": (
        replace(WELL, subscription=replace(RUNNING, lock_wait_s=0.5)), HopState.RUNNING, None
    ),
    "notifications": (
        without_worker(received=reading("vps", notify_usage=0.97, listener=LISTENER)),
        HopState.STOPPED,
        Cause.NOTIFY_FULL,
    ),
    "notifications that hold nothing up yet": (
        replace(WELL, received=reading("vps", notify_usage=0.97)), HopState.RUNNING, Cause.NOTIFY_FULL
    ),
    "no worker": (
        without_worker(received=reading("vps", rooms={"workers": Room(4, 4)})),
        HopState.STOPPED,
        Cause.WORKERS_SHORT,
    ),
    "no process": (
        without_worker(received=reading("vps", rooms={"processes": Room(1, 1)})),
        HopState.STOPPED,
        Cause.WORKERS_SHORT,
    ),
    "all workers in use and one is ours": (
        replace(WELL, received=reading("vps", rooms={"workers": Room(4, 4)})), HopState.RUNNING, None
    ),
    "a key gone while all runs": (
        replace(WELL, subscription=replace(RUNNING, keyless=("pedidos",))),
        HopState.RUNNING,
        Cause.KEY_MISSING,
    ),
    "a key gone": (
        without_worker(subscription=replace(GONE, keyless=("pedidos",))), HopState.STOPPED, Cause.KEY_MISSING
    ),
    "errors that are counted": (replace(WELL, fails_again=True), HopState.STOPPED, Cause.APPLY_FAILING),
    "an error in the log": (failing("55000"), HopState.STOPPED, Cause.APPLY_FAILING),
    "an error of a value": (failing("23505", None), HopState.STOPPED, Cause.APPLY_FAILING),
    "a connection in the log": (failing("08006"), HopState.CUT, Cause.EXPORT_CUT),
    "one that is in the way of itself": (failing("55006"), HopState.CUT, Cause.UNKNOWN),
    "an error of yesterday": (failing("55000", age_s=86400.0), HopState.CUT, Cause.UNKNOWN),
    "a slot in other hands": (without_worker(TAKEN_S + 0.1, SLOT), HopState.STOPPED, Cause.SLOT_TAKEN),
    "a slot that is let go of": (without_worker(TAKEN_S - 0.1, SLOT), HopState.CUT, Cause.UNKNOWN),
    "not yet known": (without_worker(JUDGED_S - 0.1), HopState.CUT, Cause.UNKNOWN),
    "no way through": (without_worker(JUDGED_S + 0.1), HopState.CUT, Cause.EXPORT_CUT),
    "a connection that is deaf": (
        replace(WELL, published=LATER, subscription=replace(RUNNING, message_age_s=6.0)),
        HopState.CUT,
        Cause.EXPORT_CUT,
    ),
    "a connection that is quiet": (
        replace(WELL, subscription=replace(RUNNING, message_age_s=60.0)), HopState.RUNNING, None
    ),
    "a worker that has just begun": (
        replace(WELL, subscription=replace(GONE, pid=8, message_age_s=0.1)), HopState.CUT, Cause.UNKNOWN
    ),
    "no worker, and nobody to ask": (without_worker(99.0, published=None), HopState.UNKNOWN, None),
}  # fmt: skip


@pytest.mark.parametrize("sign", JUDGED)
def test_a_hop_is_judged_by_its_signs(sign: str) -> None:
    ends, state, cause = JUDGED[sign]
    found, faults = judge_hop(ends, cut=Cause.EXPORT_CUT)
    assert (found, [fault.cause for fault in faults]) == (state, [cause] if cause else [])


def test_what_is_known_of_a_fault_is_told_with_it() -> None:
    def values(sign: str) -> dict[str, str]:
        [fault] = judge_hop(JUDGED[sign][0], cut=Cause.EXPORT_CUT)[1]
        return dict(fault.values)

    assert values("a lock")["pid"] == "9"
    assert values("notifications") == {"pid": "42", "who": "idle in transaction of ana in vps, for 90 s"}
    assert values("no worker") == {"setting": "max_logical_replication_workers"}
    assert values("no process") == {"setting": "max_worker_processes"}
    assert values("an error in the log")["said"] == "no such column (SQLSTATE 55000)"
    assert values("an error of a value")["said"] == "SQLSTATE 23505"
    assert values("errors that are counted")["said"] == ""
    assert values("no slot")["reason"] == "dropped"
    assert values("another slot")["reason"] == "replaced"
    assert values("a lost slot")["reason"] == "wal_removed"


def test_on_the_way_from_sgp_it_is_the_intake_that_is_cut() -> None:
    _, [fault] = judge_hop(without_worker(JUDGED_S + 0.1), cut=Cause.INTAKE_CUT)
    assert fault.cause is Cause.INTAKE_CUT


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        (Unreached.SILENT, Cause.LINK_DOWN),
        (Unreached.CLOSED, Cause.VPS_DOWN),
        (Unreached.STARTING, Cause.SERVER_STARTING),
        (Unreached.NO_DATABASE, Cause.DATABASE_MISSING),
        (Unreached.REFUSED, Cause.WATCH_REFUSED),
        (Unreached.FULL, Cause.SERVER_FULL),
    ],
)
def test_only_silence_is_the_link(way: Unreached, cause: Cause) -> None:
    given = {"down": Cause.VPS_DOWN, "silent": Cause.LINK_DOWN}
    fault = find_server_fault(Sight("vps", answers=False, unreached=way, failure="so"), **given)
    assert fault is not None
    assert (fault.cause, fault.endpoint, fault.values) == (cause, "vps", {"said": "so"})
    assert find_server_fault(Sight("vps", answers=True, unreached=way), **given) is None


def test_every_way_not_to_be_reached_has_a_cause() -> None:
    for way in Unreached:
        assert find_server_fault(Sight("sgp", unreached=way), down=Cause.SGP_DOWN, silent=Cause.SGP_DOWN)


def test_an_error_is_of_the_present_while_nothing_was_served_since() -> None:
    old = LastError(100.0, "55000", "x")
    assert without_worker(last_error=old).error is None
    assert without_worker(200.0, last_error=old).error is old
