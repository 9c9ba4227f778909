"""Looks at one database again and again, in a thread of its own: one that hangs keeps no other waiting."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from db.engines import Connection, connect
from publications.history import Past, read_past, read_silence_s
from publications.lag import Beat, EndpointReading, EndpointRole, read_reading
from publications.slots import WalSample

APPLICATION = "ponte-watch"
RETRY_S = 0.4
BACKLOG_S = 10.0
"""Counting what waits reads whole tables: not at every look."""
WINDOW_S = 600.0
"""Rates are taken over so long."""
ERRORS_S = 20.0
FAILURES = 2
"""So many looks in a row that fail make a database one that is away."""
SURE_S = 1.0
"""A look that took longer says nothing about its clock."""
_LINK = {
    "connect_timeout": "4",
    "keepalives": "1",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "6000",
    "options": "-c statement_timeout=3s -c lock_timeout=500ms",
}


@dataclass(frozen=True)
class Sight:
    """What is known of one database: the last reading, and how long ago that was."""

    endpoint: str
    answers: bool = False
    reading: EndpointReading | None = None
    unread_s: float = 0.0
    beat: Beat | None = None
    """The newest row that could be read."""
    beat_unread_s: float = 0.0
    beat_unchanged_s: float = 0.0
    """For how long its number has been the same, as far as we looked."""
    clock_offset_s: float | None = None
    """Its clock minus our steady one."""
    failing: frozenset[str] = frozenset()
    """Subscriptions that fail again and again."""
    samples: Mapping[str, Sequence[WalSample]] = field(default_factory=dict)
    """By slot."""
    past: Mapping[str, Past] = field(default_factory=dict)
    """By subscriber, where this is the vitrine."""
    past_read_s: float = 0.0
    """How long ago that was read."""
    silence_s: float | None = None
    """For how long nothing had been written into the history when we began; None if nothing ever was."""
    failure: str = ""
    """Why it could not be read, in PostgreSQL's words; empty if it could."""


class Follower:
    """One database's thread. It never raises; what goes wrong is in the sight."""

    def __init__(
        self,
        endpoint: str,
        dsn: SecretStr,
        role: EndpointRole,
        *,
        interval_s: float,
        slots: Sequence[str] = (),
        subscribers: Sequence[str] = (),
        disk: Path | None = None,
        unanswered_s: float,
    ) -> None:
        """slots: whose kept WAL is sampled; subscribers: whose past is read here."""
        self.endpoint = endpoint
        self._dsn = dsn
        self._role = role
        self._interval_s = interval_s
        self._subscribers = subscribers
        self._disk = disk
        self._unanswered_s = unanswered_s
        self._lock = threading.Lock()
        self._sight = Sight(endpoint)
        self._read_at: float | None = None
        self._beat_at = self._beat_changed_at = self._backlog_at = 0.0
        self._failures = 0
        self._samples: dict[str, deque[WalSample]] = {slot: deque() for slot in slots}
        self._past_at = 0.0
        self._errors: dict[str, deque[tuple[float, int, int]]] = {}
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow-{endpoint}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end; one that hangs in the network is left behind."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout_s)

    def wait_first(self, timeout_s: float) -> None:
        """Wait until it has looked once, well or ill."""
        self._looked.wait(timeout_s)

    def look(self) -> Sight:
        """Return what is known now, with its age."""
        with self._lock:
            now = time.monotonic()
            unread_s = now - self._read_at if self._read_at is not None else 0.0
            late = self._read_at is None or unread_s > self._unanswered_s
            once = self._failures > 0 and self._read_at is None
            return replace(
                self._sight,
                answers=not (late or once or self._failures >= FAILURES),
                unread_s=unread_s,
                beat_unread_s=now - self._beat_at,
                beat_unchanged_s=now - self._beat_changed_at if self._sight.beat else 0.0,
                samples={
                    slot: [replace(one, at_s=one.at_s - now) for one in samples]
                    for slot, samples in self._samples.items()
                },
                past_read_s=now - self._past_at,
            )

    def _run(self) -> None:
        conn: Connection | None = None
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if conn is None:
                    conn = self._open()
                self._take(self._read(conn), began)
            except psycopg.Error as error:
                self._fail(error)
                _close(conn)
                conn = None
            self._looked.set()
            self._stopping.wait(RETRY_S if self._failures else self._interval_s)
        _close(conn)

    def _open(self) -> Connection:
        given = conninfo_to_dict(self._dsn.get_secret_value())
        conn = connect(make_conninfo("", **{**_LINK, **given}), application=APPLICATION)
        past = {name: read_past(conn, name) for name in self._subscribers}
        silence_s = read_silence_s(conn) if self._subscribers else None
        with self._lock:
            if not self._sight.past:
                self._past_at = time.monotonic()
                self._sight = replace(self._sight, past=past, silence_s=silence_s)
        return conn

    def _read(self, conn: Connection) -> EndpointReading:
        reading = self._sight.reading
        recent = reading is not None and time.monotonic() - self._backlog_at < BACKLOG_S
        backlog = reading.backlog if reading and recent else None
        return read_reading(conn, self.endpoint, self._role, backlog=backlog, disk=self._disk)

    def _take(self, reading: EndpointReading, began: float) -> None:
        with self._lock:
            now = time.monotonic()
            before = self._sight
            if before.reading is None or reading.backlog is not before.reading.backlog:
                self._backlog_at = now
            if reading.beat is not None:
                if before.beat is None or before.beat.beat != reading.beat.beat:
                    self._beat_changed_at = now
                self._beat_at = now
            self._read_at, self._failures = now, 0
            self._sample(reading, now)
            offset = reading.now.timestamp() - began if now - began < SURE_S else before.clock_offset_s
            self._sight = replace(
                before,
                reading=reading,
                beat=reading.beat or before.beat,
                clock_offset_s=offset,
                failing=self._find_failing(reading, now),
                failure="",
            )

    def _sample(self, reading: EndpointReading, now: float) -> None:
        if reading.wal_bytes is None:
            return
        for name, samples in self._samples.items():
            slot = reading.slot(name)
            samples.append(WalSample(now, reading.wal_bytes, slot.retained_bytes if slot else None))
            while samples[0].at_s < now - WINDOW_S:
                samples.popleft()

    def _find_failing(self, reading: EndpointReading, now: float) -> frozenset[str]:
        """Name the subscriptions whose errors grew twice lately, without a beat that arrived since."""
        failing = set()
        beat = reading.beat.beat if reading.beat else 0
        for one in reading.subscriptions:
            seen = self._errors.setdefault(one.name, deque([(now, one.apply_errors, beat)]))
            if one.apply_errors != seen[-1][1]:
                seen.append((now, one.apply_errors, beat))
            while len(seen) > 1 and seen[1][0] < now - ERRORS_S:
                seen.popleft()
            grown = [entry for entry in list(seen)[1:] if entry[0] >= now - ERRORS_S]
            if len(grown) > 1 and beat <= grown[-1][2]:
                failing.add(one.name)
        return frozenset(failing)

    def _fail(self, error: psycopg.Error) -> None:
        said = " ".join(str(error).split("\n", maxsplit=1)[0].split())
        with self._lock:
            self._failures += 1
            self._sight = replace(self._sight, failure=said or type(error).__name__)


def _close(conn: Connection | None) -> None:
    if conn is not None:
        conn.close()
