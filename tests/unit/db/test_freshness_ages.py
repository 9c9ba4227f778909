"""The one measurement of freshness: never better than what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.freshness import FreshnessState, classify_age, measure_freshness

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("beat", "received", "state", "age"),
    [
        (2, 1, "fresh", 2),
        (15, 1, "fresh", 15),
        (15.1, 1, "lagging", 15.1),
        (300, 1, "lagging", 300),
        (301, 1, "silent", 301),
        (-50, 20, "lagging", 20),  # SGP's clock is ahead: the arrival counts
        (-50, -1, "lagging", 0),  # and proves nothing
        (-50, 301, "silent", 301),
        (-4, 0, "fresh", 0),
        (1, -6, "lagging", 1),  # the VPS's clock was put back
        (None, 1, "silent", None),
        (1, None, "silent", None),
    ],
)
def test_the_longest_age_counts(
    beat: float | None, received: float | None, state: str, age: float | None
) -> None:
    found = measure_freshness(beat_at=ago(beat), received_at=ago(received), now=NOW)
    assert (found.state, found.age_seconds) == (FreshnessState(state), age)
    assert (found.as_of is None) == (age is None)


def test_what_is_not_known_is_silent() -> None:
    assert classify_age(None) is classify_age(float("nan")) is FreshnessState.SILENT
