"""State and cause from one observation: what is known against the data is never hidden behind an OK."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.freshness import (
    ABSENT_S,
    BEATLESS_S,
    FRESH_S,
    LAGGING_S,
    POLL_STALE_S,
    WAITING_S,
    Arrival,
    Cause,
    Fault,
    FreshnessState,
    Observation,
    diagnose,
    measure_freshness,
)

pytestmark = pytest.mark.unit

BEAT_S, LOOK_S = 2.0, 0.5

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FRESH, LAGGING, SILENT = FreshnessState


def arrival(age_s: float = 1.0, received_s: float = 1.0) -> Arrival:
    return Arrival(NOW - timedelta(seconds=age_s), NOW - timedelta(seconds=received_s), NOW)


WELL = Observation(arrival(), sees_intranet=True)


def test_well_is_ok() -> None:
    found = diagnose(WELL)
    assert (found.state, found.cause, found.is_ok) == (FRESH, None, True)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"unpolled_s": POLL_STALE_S + 0.1}, Cause.POLL_DIED),
        *(({"faults": (Fault(cause),)}, cause) for cause in Cause),
        ({"changes_lost": True}, Cause.CHANGES_LOST),
        ({"beatless_s": None}, Cause.SGP_IDLE),
        ({"beatless_s": BEATLESS_S + 1}, Cause.SGP_IDLE),
        ({"beatless_s": ABSENT_S + 0.1, "worker_waits_s": WAITING_S + 0.1}, Cause.SGP_IDLE),
        ({"beatless_s": None, "worker_connected": False}, Cause.WORKER_DEAD),
        ({"beatless_s": ABSENT_S + 0.1, "worker_connected": False}, Cause.WORKER_DEAD),
        (
            {"beatless_s": ABSENT_S + 0.1, "worker_connected": False, "worker_elsewhere": True},
            Cause.WORKER_SHUT_OUT,
        ),
        ({"skew_s": 6.0}, Cause.CLOCK_SKEWED),
        ({"skew_s": -6.0}, Cause.CLOCK_SKEWED),
        ({"arrival": arrival(age_s=-60)}, Cause.CLOCK_SKEWED),
        ({"drifted": True}, Cause.DRIFTED),
        ({"copying": True}, Cause.COPYING),
        ({"beat_lost": True}, Cause.BEAT_LOST),
        ({"beat_lost": True, "arrival": arrival(age_s=FRESH_S + 1)}, Cause.BEAT_LOST),
        ({"blind": True}, Cause.UNKNOWN),
        ({"arrival": arrival(age_s=FRESH_S + 1)}, Cause.CATCHING_UP),
        ({"arrival": None}, Cause.UNKNOWN),
        ({"arrival": arrival(age_s=FRESH_S + 1), "sees_intranet": False}, Cause.UNKNOWN),
    ],
)
def test_each_trouble_has_its_cause_and_is_never_ok(change: dict[str, object], cause: Cause) -> None:
    found = diagnose(replace(WELL, **change))  # type: ignore[arg-type]
    assert found.cause is cause
    assert not found.is_ok


def test_the_gravest_cause_comes_first_and_the_others_are_told() -> None:
    faults = (Fault(Cause.LINK_DOWN), Fault(Cause.SLOT_LOST, "vitrine"))
    found = diagnose(replace(WELL, faults=faults, skew_s=9.0, copying=True))
    assert found.causes == (Cause.SLOT_LOST, Cause.LINK_DOWN, Cause.CLOCK_SKEWED, Cause.COPYING)


@pytest.mark.parametrize("away_s", [0.0, 3.0, FRESH_S, FRESH_S + 1, LAGGING_S + 1])
def test_out_of_reach_the_age_goes_on_as_the_vps_itself_counts_it(away_s: float) -> None:
    """The VPS tells its own readers the same state; only the intranet knows that the link is down."""
    away = diagnose(replace(WELL, faults=(Fault(Cause.LINK_DOWN),), unread_s=away_s))
    given = arrival()
    there = measure_freshness(
        beat_at=given.beat_at, received_at=given.received_at, now=NOW + timedelta(seconds=away_s)
    )
    assert away.freshness == there
    assert not away.is_ok


@pytest.mark.parametrize(("lost", "is_ok"), [(1, True), (2, False)])
def test_one_lost_beat_is_not_noticed_and_two_are(lost: int, is_ok: bool) -> None:
    """However the looks, two a second, lie to the beats, and with a quarter of a second lost elsewhere."""
    last_look_s = BEAT_S * (lost + 1) + (LOOK_S + 0.25 if is_ok else -LOOK_S)
    assert diagnose(replace(WELL, beatless_s=last_look_s)).is_ok is is_ok


def test_a_worker_that_waits_a_little_or_beats_all_the_same_is_well() -> None:
    assert diagnose(replace(WELL, beatless_s=ABSENT_S + 0.1, worker_waits_s=WAITING_S - 0.1)).is_ok
    assert diagnose(replace(WELL, beatless_s=ABSENT_S - 0.1, worker_waits_s=WAITING_S + 9)).is_ok


def test_a_worker_between_two_sessions_is_not_dead() -> None:
    assert diagnose(replace(WELL, beatless_s=ABSENT_S, worker_connected=False)).is_ok


def test_a_measurement_that_nobody_renewed_is_silent_whatever_it_said() -> None:
    found = diagnose(replace(WELL, unpolled_s=POLL_STALE_S * 2))
    assert (found.state, found.freshness.age_seconds) == (SILENT, None)


def test_a_clock_that_is_ahead_hides_no_lag() -> None:
    """SGP's clock 60 s ahead and 50 s of backlog: by both ages it would look fresh."""
    found = diagnose(replace(WELL, arrival=arrival(age_s=-10, received_s=0.5)))
    assert (found.state, found.cause) == (LAGGING, Cause.CLOCK_SKEWED)
