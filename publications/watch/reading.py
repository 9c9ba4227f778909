"""What one look at one database gives: what its server has, slots, subscriptions, the beat."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import LiteralString

from psycopg.rows import TupleRow

from db.engines import Connection
from db.published import read_fingerprint
from publications.decide.spec import Room, StrangeSlot
from publications.watch.asking import SQL
from publications.watch.beat import Beat, read_beat
from publications.watch.carriers import FeedState, PushState, read_feed, read_pushes
from publications.watch.slots import SlotState, make_slots
from publications.watch.subscription import SubscriptionState, make_subscription


@dataclass(frozen=True)
class Applied:
    """What `ponte apply` left on an endpoint."""

    fingerprint: str
    at: datetime
    """By the vitrine's clock."""


@dataclass(frozen=True)
class WorkerSessions:
    """What the source's server knows of the worker."""

    count: int
    lock_wait_s: float | None
    """For how long the one that has waited longest has waited for somebody's lock."""


@dataclass(frozen=True)
class Listener:
    """Who probably holds the queue of notifications."""

    pid: int
    state: str
    whose: str
    database: str
    age_s: int


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
    pushes: Mapping[str, PushState] = field(default_factory=dict)
    """On the vitrine, by subscriber; empty also where they may not be read."""
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
    pushes: bool = False
    """A push reads here."""
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
    held = conn.execute(SQL["listeners"]).fetchone() if notify_usage > NOTIFY_HIGH else None
    beat, beat_locked = read_beat(conn, role.beat)
    return EndpointReading(
        endpoint=endpoint,
        now=now,
        version_num=version_num,
        wal_bytes=wal_bytes,
        disk_free_bytes=_read_disk_free(disk or data_directory) if role.is_here else None,
        rooms={name: Room(used, limit) for name, used, limit in found["rooms"]},
        slots=make_slots(endpoint, found["slots"]),
        subscriptions=tuple(make_subscription(endpoint, row) for row in found["subscriptions"]),
        beat=beat,
        beat_locked=beat_locked,
        worker=WorkerSessions(*found["worker_sessions"][0]) if role.counts_worker else None,
        notify_usage=notify_usage,
        retry_s=retry_s,
        listener=Listener(*held) if held else None,
        published=read_fingerprint(conn) if role.publishes else None,
        applied={name: Applied(fingerprint, at) for name, fingerprint, at in found.get("applied", ())},
        feed=read_feed(conn) if role.is_fed else None,
        pushes=read_pushes(conn) if role.pushes else {},
        strange_slots=tuple(StrangeSlot(*row) for row in found["strange_slots"]),
    )


def _read_rows(conn: Connection, role: EndpointRole) -> dict[str, list[TupleRow]]:
    """Ask everything in one round trip: over a slow link each costs a third of a second."""
    blocks = ["server", "rooms", "slots", "strange_slots", "subscriptions"]
    blocks += ["worker_sessions"] if role.counts_worker else []
    blocks += ["applied"] if role.is_window else []
    with conn.pipeline():
        cursors = {block: conn.execute(SQL[block]) for block in blocks}
    return {block: cursor.fetchall() for block, cursor in cursors.items()}


def _read_disk_free(folder: Path | str | None) -> int | None:
    try:
        return shutil.disk_usage(folder).free if folder else None
    except OSError:
        return None
