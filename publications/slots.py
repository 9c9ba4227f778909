"""Slots: what they keep, and how long that can go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.engines import Connection
from db.sqlfile import read_blocks

_SQL = read_blocks("publications", "watch")

PRESENT_S = 5.0
"""What counts as the present rate."""
HELD_SHARE = 0.5
"""A slot that keeps more than this share of what is written is held back."""


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

    @property
    def lost(self) -> bool:
        """Tell whether what it feeds must be copied again."""
        return self.wal_status == "lost" or self.invalidation_reason is not None


@dataclass(frozen=True)
class WalSample:
    """How far a server had written at some time, and what its slot kept."""

    at_s: float
    wal_bytes: int
    retained_bytes: int | None


@dataclass(frozen=True)
class Forecast:
    """How long a slot and its disk last at the present rate; None: for ever, or not known."""

    rate_bytes_per_s: float | None
    held: bool
    """The slot keeps what is written."""
    slot_left_s: float | None
    disk_left_s: float | None


def read_slots(conn: Connection, endpoint: str) -> tuple[SlotState, ...]:
    """Return the database's logical slots."""
    rows = conn.execute(_SQL["slots"]).fetchall()
    return tuple(_slot(endpoint, *row) for row in rows)


def _slot(
    endpoint: str,
    view: dict[str, Any],
    retained_bytes: int | None,
    unconfirmed_bytes: int | None,
    reply_age_s: float | None,
) -> SlotState:
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
    )


def forecast(
    samples: Sequence[WalSample], slot: SlotState | None, *, disk_free_bytes: int | None
) -> Forecast:
    """Say how long it can go on. The greater of the present rate and that of all samples counts."""
    rate = _rate(samples)
    held = _is_held(samples)
    if slot is None or rate is None or not held:
        return Forecast(rate, held, None, None)
    slot_left = None if slot.safe_bytes is None or slot.lost else _divide(slot.safe_bytes, rate)
    disk_left = None if disk_free_bytes is None or slot.lost else _divide(disk_free_bytes, rate)
    if slot_left is not None and disk_left is not None and slot_left < disk_left:
        disk_left = None  # the slot is lost before, and its WAL removed
    return Forecast(rate, held, slot_left, disk_left)


def _rate(samples: Sequence[WalSample]) -> float | None:
    present = [one for one in samples if one.at_s >= samples[-1].at_s - PRESENT_S]
    rates = [rate for part in (samples, present) if (rate := _slope(part)) is not None]
    return max(rates, default=None)


def _slope(samples: Sequence[WalSample]) -> float | None:
    if len(samples) < 2 or samples[-1].at_s <= samples[0].at_s:  # noqa: PLR2004  # two make a line
        return None
    passed_s = samples[-1].at_s - samples[0].at_s
    return max(0.0, (samples[-1].wal_bytes - samples[0].wal_bytes) / passed_s)


def _is_held(samples: Sequence[WalSample]) -> bool:
    kept = [(one.wal_bytes, one.retained_bytes) for one in samples if one.retained_bytes is not None]
    if len(kept) < 2:  # noqa: PLR2004
        return False
    (wal_before, before), (wal_now, now) = kept[0], kept[-1]
    return wal_now > wal_before and now - before > HELD_SHARE * (wal_now - wal_before)


def _divide(left_bytes: int, rate: float) -> float | None:
    seconds = max(0, left_bytes) / rate if rate else math.inf
    return None if math.isinf(seconds) else seconds
