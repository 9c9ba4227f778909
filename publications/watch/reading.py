"""What one look at one database gives: beats, subscriptions, slots, room, what waits."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from db.engines import Connection
from db.published import read_fingerprint
from db.sqlfile import read_blocks
from publications.decide.spec import Room, StrangeSlot
from publications.watch.slots import SlotState, make_slots

_SQL = read_blocks("publications", "watch")
_ABSENT = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
)


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
    blocked_by: tuple[int, ...] = ()
    publications: tuple[str, ...] = ()
    tables_followed: int = 0
    keyless: tuple[str, ...] = ()
    """Its tables whose rows replication can't find."""

    @property
    def is_served(self) -> bool:
        """Tell whether its worker ever got anything: one that has just begun shows a message's time too."""
        return self.pid is not None and self.received_bytes is not None


@dataclass(frozen=True)
class Applied:
    """What `ponte apply` left on an endpoint."""

    fingerprint: str
    at: datetime
    """By the vitrine's clock."""


@dataclass(frozen=True)
class HeldUp:
    """Why the worker makes no photo, by its own word."""

    cause: str
    since: datetime
    age_s: float
    waiting: int


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
    unsynced: Mapping[str, int]
    """Passwords that can't be carried, by reason."""
    unfound: int = 0
    """So many of the newest photos, one after the other, have no file."""
    held_up: HeldUp | None = None
    """None while photos are made, or none waits."""


@dataclass(frozen=True)
class WorkerSessions:
    """What the source's server knows of the worker."""

    count: int
    lock_wait_s: float | None
    """For how long the one that has waited longest has waited for somebody's lock."""


@dataclass(frozen=True)
class FeedState:
    """What the vitrine knows of the feeder, where SGP is a file."""

    sessions: int
    fault: str | None
    """Why its last look was not landed whole."""
    hint: str | None
    took_s: float | None
    """How long a look into the file takes."""
    unread_values: int
    """Rows with values that are none of their column's type."""


@dataclass(frozen=True)
class Listener:
    """Who probably holds the queue of notifications."""

    pid: int
    state: str
    whose: str
    database: str
    age_s: int


@dataclass(frozen=True)
class LastError:
    """The last error of a database's subscription, as its server's log has it."""

    age_s: float
    sqlstate: str
    said: str | None
    """None where the words may quote a row."""


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
    beat_locked: bool = False
    """Whether there is a row is not known: somebody holds a lock on it."""
    worker: WorkerSessions | None = None
    """On sgp and on the vitrine."""
    notify_usage: float = 0.0
    """How full the queue of notifications is, up to 1."""
    listener: Listener | None = None
    """Told once the queue is rather full."""
    retry_s: float = 5.0
    """After so long it starts a subscription's worker again."""
    published: str | None = None
    """The fingerprint of what is published, where anything is."""
    applied: Mapping[str, Applied] = field(default_factory=dict)
    """On the vitrine, by endpoint."""
    feed: FeedState | None = None
    """On the vitrine, where SGP is a file; None also where it may not be read."""
    strange_slots: tuple[StrangeSlot, ...] = ()
    """Those that no subscription reads."""

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
    publishes: bool = False
    counts_worker: bool = False
    is_window: bool = False
    """It has the backlog, and what was applied."""
    has_logins: bool = False
    """People log in there."""
    is_fed: bool = False
    """The feeder writes here."""
    gaps: LiteralString | None = None
    """The block that counts what was lost on the way there."""
    error: LiteralString | None = None
    """The block that reads what its subscription failed for."""


NOTIFY_HIGH = 0.5
"""From here on somebody may be holding the queue."""

SOURCE = EndpointRole("beat_sent", publishes=True, counts_worker=True)
WINDOW = EndpointRole(
    "beat_landed",
    publishes=True,
    counts_worker=True,
    is_window=True,
    gaps="gaps_landed",
    error="error_landed",
)
SUBSCRIBER = EndpointRole(
    "beat_received", is_here=False, has_logins=True, gaps="gaps_received", error="error_received"
)


def read_reading(
    conn: Connection, endpoint: str, role: EndpointRole, *, disk: Path | None
) -> EndpointReading:
    """Look once. disk: where WAL lies."""
    found = _read_rows(conn, role)
    [(now, version_num, wal_bytes, data_directory, notify_usage, retry_s)] = found["server"]
    held = conn.execute(_SQL["listeners"]).fetchone() if notify_usage > NOTIFY_HIGH else None
    beat, beat_locked = _read_beat(conn, role.beat)
    return EndpointReading(
        endpoint=endpoint,
        now=now,
        version_num=version_num,
        wal_bytes=wal_bytes,
        disk_free_bytes=_read_disk_free(disk or data_directory) if role.is_here else None,
        rooms={name: Room(used, limit) for name, used, limit in found["rooms"]},
        slots=make_slots(endpoint, found["slots"]),
        subscriptions=tuple(_subscription(endpoint, row) for row in found["subscriptions"]),
        beat=beat,
        beat_locked=beat_locked,
        worker=WorkerSessions(*found["worker_sessions"][0]) if role.counts_worker else None,
        notify_usage=notify_usage,
        retry_s=retry_s,
        listener=Listener(*held) if held else None,
        published=read_fingerprint(conn) if role.publishes else None,
        applied={name: Applied(fingerprint, at) for name, fingerprint, at in found.get("applied", ())},
        feed=read_feed(conn) if role.is_fed else None,
        strange_slots=tuple(StrangeSlot(*row) for row in found["strange_slots"]),
    )


def _read_rows(conn: Connection, role: EndpointRole) -> dict[str, list[TupleRow]]:
    """Ask everything in one round trip: over a slow link each costs a third of a second."""
    blocks = ["server", "rooms", "slots", "strange_slots", "subscriptions"]
    blocks += ["worker_sessions"] if role.counts_worker else []
    blocks += ["applied"] if role.is_window else []
    with conn.pipeline():
        cursors = {block: conn.execute(_SQL[block]) for block in blocks}
    return {block: cursor.fetchall() for block, cursor in cursors.items()}


def _read_beat(conn: Connection, block: LiteralString) -> tuple[Beat | None, bool]:
    """Read the newest beat and whether it is locked; a lock must not look like a server that is away."""
    try:
        row = conn.execute(_SQL[block]).fetchone()
    except psycopg.errors.LockNotAvailable:
        return None, True
    except psycopg.errors.UndefinedTable:
        return None, False
    return Beat(*row) if row else None, False


def read_offline_bound(conn: Connection) -> float | None:
    """Return for how many seconds people may log in without word; None where nobody told, or may not see."""
    row = _row_if_any(conn, "offline_bound")
    return row[0] if row else None


def read_feed(conn: Connection) -> FeedState | None:
    """Return how the feeder fares; None where `ponte migrate` or `ponte apply` was not there yet."""
    row = _row_if_any(conn, "feed")
    return FeedState(*row) if row else None


def read_has_key(conn: Connection) -> bool | None:
    """Tell whether the API there can open the worker's passwords; None where that can't be seen."""
    row = _row_if_any(conn, "has_key")
    return row[0] if row else None


def read_gaps(conn: Connection, block: LiteralString) -> int | None:
    """Return how many times changes were lost on the way here; None where that can't be seen."""
    row = _row_if_any(conn, block)
    return row[0] if row else None


def read_last_error(conn: Connection, block: LiteralString) -> LastError | None:
    """Return what a subscription failed for last; None where its server's log does not tell."""
    try:
        row = conn.execute(_SQL[block]).fetchone()
    except _ABSENT:
        return None
    return LastError(*row) if row else None


def _row_if_any(conn: Connection, block: LiteralString) -> TupleRow | None:
    """Return what an older database, or one where a grant is missing, does not have."""
    try:
        return conn.execute(_SQL[block]).fetchone()
    except _ABSENT:
        return None


def read_backlog(conn: Connection) -> Backlog:
    """Count what waits; give up after a second, because others wait for this connection."""
    with conn.transaction():
        conn.execute("SET LOCAL statement_timeout = '1s'")
        pending, miniaturas, refused, credenciais, letters, unfound = _row(conn, "backlog")
        return Backlog(
            miniaturas_pending=pending,
            miniaturas=miniaturas,
            miniaturas_refused=refused,
            credenciais_pending=credenciais,
            dead_letters=letters,
            unfound=unfound,
            unsynced=_row(conn, "count_unsynced")[0] if _row(conn, "unsynced")[0] else {},
            held_up=_read_held_up(conn),
        )


def _read_held_up(conn: Connection) -> HeldUp | None:
    """Return why no photo is made; a savepoint, because an older database has no such table."""
    try:
        with conn.transaction():
            row = conn.execute(_SQL["photos_held"]).fetchone()
    except _ABSENT:
        return None
    return HeldUp(*row) if row and row[-1] else None


def _row(conn: Connection, block: LiteralString) -> TupleRow:
    row = conn.execute(_SQL[block]).fetchone()
    assert row is not None  # noqa: S101  # each of these counts
    return row


def _read_disk_free(folder: Path | str | None) -> int | None:
    try:
        return shutil.disk_usage(folder).free if folder else None
    except OSError:
        return None


def _subscription(endpoint: str, row: TupleRow) -> SubscriptionState:
    (
        name,
        enabled,
        pid,
        received_bytes,
        applied_bytes,
        message_age_s,
        counts,
        not_ready,
        lock_wait_s,
        blocked_by,
        publications,
        tables_followed,
        keyless,
    ) = row
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
        blocked_by=tuple(blocked_by or ()),
        publications=tuple(publications),
        tables_followed=tables_followed,
        keyless=tuple(keyless),
    )
