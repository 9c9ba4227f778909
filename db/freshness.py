"""How fresh the VPS's data is: one measurement for the panel, the metrics, the headers and the command.

It takes the heartbeat row that travels the same road as the data. Several clocks are compared, so the
longest age counts, and what isn't known is never fresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

FRESH_S = 15.0
LAGGING_S = 300.0


class FreshnessState(StrEnum):
    """The three answers."""

    FRESH = "fresh"
    LAGGING = "lagging"
    SILENT = "silent"


@dataclass(frozen=True)
class Freshness:
    """One measurement. `as_of` and `age_seconds` are None where a clock reading is missing."""

    state: FreshnessState
    as_of: datetime | None
    """When SGP wrote the newest beat that arrived, by its own clock."""
    age_seconds: float | None


def measure_freshness(*, beat_at: datetime | None, received_at: datetime | None, now: datetime) -> Freshness:
    """Say how fresh the data is. `now` is by the clock that took `received_at`; all are aware."""
    if beat_at is None or received_at is None:
        return Freshness(FreshnessState.SILENT, None, None)
    age = max(0.0, *((now - then).total_seconds() for then in (beat_at, received_at)))
    return Freshness(classify_age(age), beat_at, age)


def classify_age(age_seconds: float | None) -> FreshnessState:
    """Return the state for an age: fresh up to 15 s, lagging up to 5 minutes, silent beyond or unknown."""
    if age_seconds is None or not age_seconds <= LAGGING_S:
        return FreshnessState.SILENT
    return FreshnessState.FRESH if age_seconds <= FRESH_S else FreshnessState.LAGGING
