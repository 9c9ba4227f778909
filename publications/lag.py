"""What one look at one database gives: beats, subscriptions, slots, room, what waits."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from db.engines import Connection
from db.freshness import HopState
from db.sqlfile import read_blocks
from publications.preflight import Room
from publications.slots import SlotState, read_slots

_SQL = read_blocks("publications", "watch")

LOCK_WAIT_S = 2.0
"""A worker that waits longer for a lock stands still."""
MESSAGE_AGE_S = 8.0
"""A connection on which nothing comes for so long, while something waits, is dead."""


@dataclass(frozen=True)
class Beat:
    """The heartbeat row as one database has it."""

    beat: int
    beat_at: datetime | None
    arrived_at: datetime | None
    """By that database's clock; None at the source."""
    now: datetime
    """The same clock, when it was read."""


@dataclass(frozen=True)
class SubscriptionState:
    """One subscription as its target shows it."""

    endpoint: str
    name: str
    enabled: bool
    pid: int | None
    received_bytes: int | None
    """Up to where in the source's WAL it has received; None while its worker is down."""
    applied_bytes: int | None
    message_age_s: float | None
    apply_errors: int
    sync_errors: int
    conflicts: Mapping[str, int]
    """By kind, from 18 on."""
    not_ready: tuple[str, ...]
    lock_wait_s: float | None


@dataclass(frozen=True)
class Backlog:
    """What the worker has to do and what it could not do."""

    miniaturas_pending: int
    miniaturas: Mapping[str, int]
    """By estado."""
    miniaturas_refused: Mapping[str, int]
    """By motivo."""
    credenciais_pending: int
    dead_letters: Mapping[str, int]
    """By landing table."""
    as_applied: Mapping[str, bool]
    """By endpoint: whether what it publishes is what was applied."""
    unsynced: Mapping[str, int]
    """Passwords that can't be carried, by reason."""


@dataclass(frozen=True)
class EndpointReading:
    """All of one database that the watch looks at."""

    endpoint: str
    now: datetime
    version_num: int
    wal_bytes: int | None
    disk_free_bytes: int | None
    """None where the server's files lie on another machine."""
    rooms: Mapping[str, Room]
    slots: tuple[SlotState, ...]
    subscriptions: tuple[SubscriptionState, ...]
    beat: Beat | None
    """None where the row is missing or locked."""
    worker_sessions: int | None = None
    """On sgp."""
    backlog: Backlog | None = None
    """On the vitrine."""

    def slot(self, name: str) -> SlotState | None:
        """Return the slot of that name."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def subscription(self, name: str) -> SubscriptionState | None:
        """Return the subscription of that name."""
        return next((one for one in self.subscriptions if one.name == name), None)


@dataclass(frozen=True)
class EndpointRole:
    """What to read there beside what every server has."""

    beat: LiteralString
    """The block that reads the newest beat."""
    is_here: bool = True
    """Its server runs on this machine, so its disk can be asked."""
    counts_worker: bool = False
    has_backlog: bool = False


SOURCE = EndpointRole("beat_sent", counts_worker=True)
WINDOW = EndpointRole("beat_landed", has_backlog=True)
SUBSCRIBER = EndpointRole("beat_received", is_here=False)


def read_reading(
    conn: Connection, endpoint: str, role: EndpointRole, *, backlog: Backlog | None, disk: Path | None
) -> EndpointReading:
    """Look once. backlog: a recent one, to be kept instead of counting again; disk: where WAL lies."""
    now, version_num, wal_bytes, data_directory = _row(conn, "server")
    return EndpointReading(
        endpoint=endpoint,
        now=now,
        version_num=version_num,
        wal_bytes=wal_bytes,
        disk_free_bytes=_read_disk_free(disk or data_directory) if role.is_here else None,
        rooms={name: Room(used, limit) for name, used, limit in conn.execute(_SQL["rooms"])},
        slots=read_slots(conn, endpoint),
        subscriptions=tuple(_subscription(endpoint, row) for row in conn.execute(_SQL["subscriptions"])),
        beat=_read_beat(conn, role.beat),
        worker_sessions=_row(conn, "worker_sessions")[0] if role.counts_worker else None,
        backlog=(backlog or _read_backlog(conn)) if role.has_backlog else None,
    )


def _row(conn: Connection, block: LiteralString) -> tuple[Any, ...]:
    row = conn.execute(_SQL[block]).fetchone()
    assert row is not None  # noqa: S101  # none of these reads a table
    return row


def _read_beat(conn: Connection, block: LiteralString) -> Beat | None:
    """Read the newest beat; a lock on the row's table must not look like a server that is away."""
    try:
        row = conn.execute(_SQL[block]).fetchone()
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
        return None
    return Beat(*row) if row else None


def _read_backlog(conn: Connection) -> Backlog:
    pending, miniaturas, refused, credenciais, letters, as_applied = _row(conn, "backlog")
    return Backlog(
        miniaturas_pending=pending,
        miniaturas=miniaturas,
        miniaturas_refused=refused,
        credenciais_pending=credenciais,
        dead_letters=letters,
        as_applied=as_applied,
        unsynced=_row(conn, "count_unsynced")[0] if _row(conn, "unsynced")[0] else {},
    )


def _read_disk_free(folder: Path | str | None) -> int | None:
    try:
        return shutil.disk_usage(folder).free if folder else None
    except OSError:
        return None


def _subscription(endpoint: str, row: TupleRow) -> SubscriptionState:
    name, enabled, pid, received_bytes, applied_bytes, message_age_s, counts, not_ready, lock_wait_s = row
    return SubscriptionState(
        endpoint=endpoint,
        name=name,
        enabled=enabled,
        pid=pid,
        received_bytes=received_bytes,
        applied_bytes=applied_bytes,
        message_age_s=message_age_s,
        apply_errors=counts.get("apply_error_count", 0),
        # 19 names it by tables
        sync_errors=counts.get("sync_error_count", counts.get("sync_table_error_count", 0)),
        conflicts={key.removeprefix("confl_"): counts[key] for key in counts if key.startswith("confl_")},
        not_ready=tuple(not_ready),
        lock_wait_s=lock_wait_s,
    )


def judge_hop(
    source: EndpointReading | None,
    target: EndpointReading | None,
    *,
    slot: str,
    subscription: str,
    fails_again: bool,
) -> HopState:
    """Say what a hop does, from what its two ends show. fails_again: apply errors went on counting lately."""
    if source is not None and _is_lost(source.slot(slot)):
        return HopState.LOST
    if target is None:
        return HopState.UNKNOWN
    state = target.subscription(subscription)
    if state is None or fails_again or _stands_still(state):
        return HopState.STOPPED
    if _waits(source, target) and (state.message_age_s or 0.0) > MESSAGE_AGE_S:
        return HopState.CUT
    return HopState.RUNNING


def _is_lost(slot: SlotState | None) -> bool:
    return slot is None or slot.lost


def _stands_still(state: SubscriptionState) -> bool:
    return not state.enabled or state.pid is None or (state.lock_wait_s or 0.0) > LOCK_WAIT_S


def _waits(source: EndpointReading | None, target: EndpointReading) -> bool:
    """Tell whether the source has a beat that the target has not."""
    if source is None or source.beat is None or target.beat is None:
        return False
    return source.beat.beat > target.beat.beat


def measure_behind_s(source: Beat | None, target: Beat | None) -> float | None:
    """Return how many seconds the target is behind the source, each by its own clock; None if not known."""
    ages = [_age_s(one) for one in (source, target)]
    if ages[0] is None or ages[1] is None:
        return None
    return max(0.0, ages[1] - ages[0])


def _age_s(beat: Beat | None) -> float | None:
    return None if beat is None or beat.beat_at is None else (beat.now - beat.beat_at).total_seconds()
