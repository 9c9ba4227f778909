"""How old the data is, as every answer says it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

from db.freshness import Arrival, Freshness, FreshnessState, measure_freshness
from vps_readapi.memory.sql import Clock

Field = tuple[bytes, bytes]
UNKNOWN = Freshness(FreshnessState.SILENT, None, None)


class FreshnessClock:
    """Measures freshness between two readings of the heartbeat: the database's clock, carried on by ours."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._read_at_s = 0.0
        self._second = -1
        self._cursor = ""
        self._block = b""

    def take(self, clock: Clock, cursor: str) -> None:
        """Take a reading that was made just now, and the cursor that goes with what is known."""
        self._clock, self._read_at_s = clock, time.monotonic()
        self._cursor, self._second = cursor, -1

    @property
    def cursor(self) -> str:
        """Return where a client that has all that is known goes on."""
        return self._cursor

    def arrival(self) -> Arrival | None:
        """Return the newest beat that is known, with the database's time now; None if it never answered."""
        if self._clock.read_at is None:
            return None
        passed = timedelta(seconds=time.monotonic() - self._read_at_s)
        return Arrival(self._clock.beat_at, self._clock.received_at, self._clock.read_at + passed)

    def measure(self) -> Freshness:
        """Say how fresh the data is now."""
        arrival = self.arrival()
        if arrival is None:
            return UNKNOWN
        return measure_freshness(beat_at=arrival.beat_at, received_at=arrival.received_at, now=arrival.now)

    def fields(self, cursor: str) -> list[Field]:
        """Return the fields of an answer; cursor: one that is not newer than its content."""
        fields = write_freshness(self.measure())
        if cursor:
            fields.append((b"sync-cursor", cursor.encode()))
        return fields

    def block(self) -> bytes:
        """Return the same as it is sent, with the date; made once a second."""
        second = int(time.time())
        if second != self._second:
            fields = [(b"date", formatdate(second, usegmt=True).encode()), *self.fields(self._cursor)]
            self._block = b"".join(b"%s: %s\r\n" % field for field in fields)
            self._second = second
        return self._block

    def is_older_than(self, seconds: float) -> bool:
        """Tell whether the data is older than somebody accepts; an unknown age is."""
        age = self.measure().age_seconds
        return age is None or age > seconds


def write_freshness(now: Freshness) -> list[Field]:
    """Return the fields that say how old something is."""
    fields = [(b"sync-state", now.state.value.encode())]
    if now.as_of is not None and now.age_seconds is not None:
        fields.append((b"sync-as-of", _write_instant(now.as_of)))
        fields.append((b"sync-age", str(int(now.age_seconds)).encode()))
    return fields


def _write_instant(at: datetime) -> bytes:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
