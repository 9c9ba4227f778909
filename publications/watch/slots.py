"""Slots: what they keep, and how long that can go on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import TupleRow

from publications.decide.diff import TABLE_COPY
from publications.decide.spec import StrangeSlot

WINDOW_S = 600.0
"""Rates are taken over so long."""
PRESENT_S = 5.0
"""What counts as the present rate."""
HELD_S = 10.0
HELD_SHARE = 0.5
"""A slot whose reader leaves more than this share unconfirmed for so long is held back."""


@dataclass(frozen=True)
class SlotState:
    """One slot as its server shows it."""

    endpoint: str
    name: str
    active: bool
    retained_bytes: int | None
    """None where the WAL is gone already."""
    unconfirmed_bytes: int | None
    wal_status: str | None
    """PostgreSQL's own words: reserved, extended, unreserved, lost."""
    safe_bytes: int | None = None
    """How much may be written until it can be lost; None without a limit."""
    inactive_since: datetime | None = None
    """From 17 on."""
    invalidation_reason: str | None = None
    """From 17 on."""
    reply_age_s: float | None = None
    decoded_txns: int | None = None
    """How many transactions were decoded from it since it was made or its counts were reset."""
    counted_since: datetime | None = None
    """When its counts were reset; None if never."""
    reader_pid: int | None = None
    """Of the process that sends what it holds; None while nobody reads."""
    reader_address: str = ""
    reader_age_s: float | None = None
    idle_s: float | None = None
    """For how long nobody has read it; None while somebody does, and before 17."""
    idle_limit_s: float | None = None
    """Idle for so long it is given up; None without that limit."""

    @property
    def idle_left_s(self) -> float | None:
        """Return for how long nobody may go on not reading it; None: for ever, or somebody reads."""
        if self.active or self.idle_s is None or self.idle_limit_s is None:
            return None
        return max(0.0, self.idle_limit_s - self.idle_s)

    @property
    def copies(self) -> bool:
        """Tell whether PostgreSQL made it for the copy of one table."""
        return TABLE_COPY.fullmatch(self.name) is not None

    @property
    def as_strange(self) -> StrangeSlot:
        """Return it as what it is where nobody declared it."""
        return StrangeSlot(self.name, "logical", self.active, self.retained_bytes)

    @property
    def lost(self) -> bool:
        """Tell whether what it feeds must be copied again."""
        return self.wal_status == "lost" or self.invalidation_reason is not None

    @property
    def loss_reason(self) -> str:
        """Return why it was lost, in PostgreSQL's word; what 15 and 16 don't tell can only be that."""
        return self.invalidation_reason or "wal_removed"

    @property
    def is_past_its_limit(self) -> bool:
        """Tell whether the next checkpoint may lose it."""
        return self.wal_status == "unreserved" or (self.safe_bytes is not None and self.safe_bytes <= 0)


@dataclass(frozen=True)
class WalSample:
    """How far a server had written at some time, and what its slot kept."""

    at_s: float
    wal_bytes: int
    retained_bytes: int | None
    unconfirmed_bytes: int | None = None
    """None in the history, which does not keep it."""
    active: bool | None = None


@dataclass(frozen=True)
class Forecast:
    """How long a slot and its disk last at the present rate; None: for ever, or not known."""

    rate_bytes_per_s: float | None
    held: bool
    """The slot keeps what is written."""
    slot_left_s: float | None
    disk_left_s: float | None
    killer: str | None = None
    """The setting that will lose the slot, where `slot_left_s` is known."""


BY_BYTES = "max_slot_wal_keep_size"
BY_CLOCK = "idle_replication_slot_timeout"


def make_slots(endpoint: str, rows: Iterable[TupleRow]) -> tuple[SlotState, ...]:
    """Return a database's logical slots from the rows that its look gave."""
    return tuple(_slot(endpoint, row) for row in rows)


def _slot(endpoint: str, row: TupleRow) -> SlotState:
    view, retained_bytes, unconfirmed_bytes, reply_age_s, decoded_txns, counted_since, *reader = row
    pid, address, reader_age_s, idle_s, idle_limit_s = reader
    since = view.get("inactive_since")
    return SlotState(
        endpoint=endpoint,
        name=view["slot_name"],
        active=view["active"],
        retained_bytes=retained_bytes,
        unconfirmed_bytes=unconfirmed_bytes,
        wal_status=view["wal_status"],
        safe_bytes=view["safe_wal_size"],
        inactive_since=datetime.fromisoformat(since) if since else None,
        invalidation_reason=view.get("invalidation_reason"),
        reply_age_s=reply_age_s,
        decoded_txns=decoded_txns,
        counted_since=counted_since,
        reader_pid=pid,
        reader_address=address,
        reader_age_s=reader_age_s,
        idle_s=idle_s,
        idle_limit_s=idle_limit_s,
    )


def forecast(
    samples: Sequence[WalSample], slot: SlotState | None, *, disk_free_bytes: int | None
) -> Forecast:
    """Say how long it can go on. The greater of the present rate and that of all samples counts."""
    rate = _rate(samples)
    held = _is_held(samples)
    if slot is None or slot.lost:
        return Forecast(rate, held, None, None)
    writes = rate if held else None
    slot_left, killer = min(_find_limits(slot, writes), default=(None, None))
    disk_left = None if disk_free_bytes is None or writes is None else _divide(disk_free_bytes, writes)
    if slot_left is not None and disk_left is not None and slot_left < disk_left:
        disk_left = None  # the slot is lost before, and its WAL removed
    return Forecast(rate, held, slot_left, disk_left, killer)


def _find_limits(slot: SlotState, rate: float | None) -> Iterable[tuple[float, str]]:
    """Return after how many seconds which setting loses the slot. rate: None where it is not held."""
    if slot.is_past_its_limit:
        yield 0.0, BY_BYTES
    elif slot.safe_bytes is not None and rate is not None:
        left_s = _divide(slot.safe_bytes, rate)
        if left_s is not None:
            yield left_s, BY_BYTES
    if slot.idle_left_s is not None:
        yield slot.idle_left_s, BY_CLOCK


def _rate(samples: Sequence[WalSample]) -> float | None:
    rates = [rate for part in (samples, _last(samples, PRESENT_S)) if (rate := _slope(part)) is not None]
    return max(rates, default=None)


def _slope(samples: Sequence[WalSample]) -> float | None:
    if len(samples) < 2 or samples[-1].at_s <= samples[0].at_s:  # noqa: PLR2004  # two make a line
        return None
    passed_s = samples[-1].at_s - samples[0].at_s
    return max(0.0, (samples[-1].wal_bytes - samples[0].wal_bytes) / passed_s)


def _is_held(samples: Sequence[WalSample]) -> bool:
    """Tell whether what is written stays: nobody reads the slot, or its reader confirms less than half of it.

    What was written a moment ago may be on its way; and what a slot retains proves nothing, because it
    lets go in large steps, long after all was confirmed.
    """
    if not samples or samples[-1].wal_bytes <= samples[0].wal_bytes:
        return False
    if samples[-1].active is False:
        return True
    known = [(one, kept) for one in _last(samples, HELD_S) if (kept := one.unconfirmed_bytes) is not None]
    if not known or known[-1][0].at_s - known[0][0].at_s < PRESENT_S:
        return False
    (first, kept_before), (last, kept_now) = known[0], known[-1]
    settled = max(one.wal_bytes for one, _ in known if one.at_s <= last.at_s - PRESENT_S)
    waited = settled > last.wal_bytes - kept_now
    return waited and kept_now - kept_before > HELD_SHARE * (last.wal_bytes - first.wal_bytes)


def _last(samples: Sequence[WalSample], seconds: float) -> list[WalSample]:
    return [one for one in samples if one.at_s >= samples[-1].at_s - seconds]


def _divide(left_bytes: int, rate: float) -> float | None:
    seconds = max(0, left_bytes) / rate if rate else math.inf
    return None if math.isinf(seconds) else seconds
