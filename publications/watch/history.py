"""What was measured before, in the window's cluster: written by the panel, read by everyone who watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.engines import Connection
from db.freshness import Arrival, Cause, FreshnessState, Measurement
from db.sqlfile import read_blocks
from publications.watch.slots import WalSample

_SQL = read_blocks("publications", "watch")

PIECE_S = 600
"""The chart's pieces: 144 in a day."""
MOST_TURNS = 8


@dataclass(frozen=True)
class Past:
    """What a watch that begins now takes from those before."""

    arrival: Arrival | None
    unread_s: float
    """How long ago `arrival` was read."""
    sgp: tuple[WalSample, ...]
    vitrine: tuple[WalSample, ...]
    """The last minutes' samples; `at_s` counts from now, so it is negative."""


NO_PAST = Past(None, 0.0, (), ())


@dataclass(frozen=True)
class Piece:
    """Ten minutes of the last day."""

    starts_at: datetime
    age_seconds: float | None
    """The longest."""
    unknown: bool
    """At some time the age was not known."""
    state: FreshnessState
    """The worst."""


@dataclass(frozen=True)
class Turn:
    """When the state or its cause changed, and to what."""

    at: datetime
    state: FreshnessState
    cause: Cause | None


def read_past(conn: Connection, subscriber: str) -> Past:
    """Return what is known from before."""
    given = {"subscriber": subscriber}
    last = conn.execute(_SQL["last_known"], given).fetchone()
    rows = conn.execute(_SQL["recent_wal"], given).fetchall()
    return Past(
        arrival=_arrival(*last[:2]) if last else None,
        unread_s=max(0.0, last[2]) if last else 0.0,
        sgp=tuple(WalSample(-ago, wal, kept) for ago, wal, kept, _, _ in rows if wal is not None),
        vitrine=tuple(WalSample(-ago, wal, kept) for ago, _, _, wal, kept in rows if wal is not None),
    )


def _arrival(as_of: datetime, age_seconds: float) -> Arrival:
    """Return a beat that was so old when it was looked at."""
    return Arrival(as_of, as_of, datetime.fromtimestamp(as_of.timestamp() + age_seconds, as_of.tzinfo))


def write_measurement(
    conn: Connection, subscriber: str, measured: Measurement, wal: Mapping[str, int | None]
) -> None:
    """Add one. wal: `<endpoint>_wal_bytes` and `<endpoint>_retained_bytes` of sgp and vitrine."""
    fields: dict[str, Any] = {
        "subscriber": subscriber,
        "state": measured.state.value,
        "cause": measured.cause.value if measured.cause else None,
        "as_of": measured.freshness.as_of,
        "age_seconds": measured.freshness.age_seconds,
    }
    conn.execute(_SQL["write_measurement"], {**fields, **wal})


def thin(conn: Connection) -> None:
    """Fold what is older than a day into hours."""
    conn.execute(_SQL["thin"])


def read_silence_s(conn: Connection) -> float | None:
    """Return for how long nobody has measured; None if nobody ever did."""
    row = conn.execute(_SQL["last_written"]).fetchone()
    return row[0] if row else None


def read_day(conn: Connection, subscriber: str) -> Sequence[Piece]:
    """Return the last day; pieces in which nobody measured are missing."""
    rows = conn.execute(_SQL["day"], {"subscriber": subscriber, "piece_s": PIECE_S}).fetchall()
    return [Piece(start, age, unknown, _state(word)) for start, age, unknown, word in rows]


def read_turns(conn: Connection, subscriber: str) -> Sequence[Turn]:
    """Return the last changes, the newest first."""
    rows = conn.execute(_SQL["turns"], {"subscriber": subscriber, "most": MOST_TURNS}).fetchall()
    return [Turn(at, _state(state), _cause(cause)) for at, state, cause in rows]


def _state(word: str) -> FreshnessState:
    """Read what may have been written by a newer version: a word that is not known is no good news."""
    return FreshnessState(word) if word in set(FreshnessState) else FreshnessState.SILENT


def _cause(word: str | None) -> Cause | None:
    if word is None:
        return None
    return Cause(word) if word in set(Cause) else Cause.UNKNOWN
