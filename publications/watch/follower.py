"""Looks at one database again and again, in a thread of its own: one that hangs keeps no other waiting."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from db.bounded import UnbelievableError, believed
from db.engines import Connection
from db.errors import PonteError
from db.logs import log_event
from db.outage import Outage
from db.unforeseen import Unforeseen
from db.unreached import UnreachableError, Unreached, explain_failure
from publications.settings import watch_variable
from publications.watch.backlog import read_backlog
from publications.watch.connection import close_link, open_link
from publications.watch.history import read_past, read_silence_s
from publications.watch.occasions import Occasion
from publications.watch.rare import read_gaps, read_has_key, read_last_error, read_offline_bound
from publications.watch.reading import EndpointReading, EndpointRole, read_reading
from publications.watch.sanity import check_count, check_flag, check_last_error, check_reading, check_seconds
from publications.watch.sight import Sight
from publications.watch.trends import Tracks

RETRY_S = 0.4
BACKLOG_S = 10.0
"""Counting what waits reads whole tables: not at every look."""
BOUND_S = 30.0
GAPS_S = 2.0
"""A gap shows itself when a beat comes."""
ERROR_S = 2.0
"""The end of a server's log is not read at every look, and only while nothing is applied."""
BACKLOG_STALE_S = 60.0
"""What could not be counted for so long is not known any more."""
FAILURES = 2
"""So many looks in a row that fail make a database one that is away."""
SURE_S = 1.0
"""A look that took longer says nothing about its clock."""
log = logging.getLogger(__name__)


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
        self._answered_at: float | None = None
        self._beat_at = self._beat_changed_at = 0.0
        self._backlog_at = -math.inf
        self._past, self._backlog = Occasion(BACKLOG_S), Occasion(BACKLOG_S)
        self._bound, self._gaps, self._error = Occasion(BOUND_S), Occasion(GAPS_S), Occasion(ERROR_S)
        self._failures = 0
        self._endured = Outage()
        self._unforeseen = Unforeseen(log, endpoint=endpoint)
        self._explained: tuple[object, PonteError] = (None, PonteError(""))
        self._past_at = 0.0
        self._tracks = Tracks(slots)
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
            answers = self._answers(now)
            return replace(
                self._sight,
                answers=answers,
                blind=answers and (self._read_at is None or unread_s > self._unanswered_s),
                unread_s=unread_s,
                beat_unread_s=now - self._beat_at,
                beat_unchanged_s=now - self._beat_changed_at if self._sight.beat else 0.0,
                samples=self._tracks.samples(now),
                past_read_s=now - self._past_at,
            )

    def _answers(self, now: float) -> bool:
        late = self._answered_at is None or now - self._answered_at > self._unanswered_s
        once = self._failures > 0 and self._read_at is None
        return not (late or once or self._failures >= FAILURES)

    def _run(self) -> None:
        conn: Connection | None = None
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if conn is None:
                    conn = open_link(self._dsn)
                    self._tracks.forget_counts()
                self._take(self._read_sane(conn), began)
            except psycopg.Error as error:
                conn = self._fail(error, conn)
            except Exception as error:  # noqa: BLE001  # a thread that ended never looks again
                self._unforeseen.tell(error)
                conn = self._fail(UnbelievableError(f"can't be looked at: {type(error).__name__}"), conn)
            self._looked.set()
            self._stopping.wait(RETRY_S if self._failures else self._interval_s)
        close_link(conn)

    def _read_sane(self, conn: Connection) -> EndpointReading:
        """Look, and believe nothing that can't be: it would stop whoever reckons with it."""
        with believed():
            return check_reading(self._read(conn))

    def _read(self, conn: Connection) -> EndpointReading:
        reading = read_reading(conn, self.endpoint, self._role, disk=self._disk)
        if self._subscribers:
            self._read_past(conn)
        if self._role.is_window:
            self._read_backlog(conn)
        if self._role.has_logins:
            self._read_bound(conn)
        if self._role.gaps:
            self._read_gaps(conn, self._role.gaps)
        if self._role.error:
            self._read_error(conn, self._role.error, reading)
        return reading

    def _read_past(self, conn: Connection) -> None:
        """Read what was known before, once; a history that can't be read hides nothing else."""
        if not self._past.begin(time.monotonic()):
            return
        with self._enduring(conn):
            past = {name: read_past(conn, name) for name in self._subscribers}
            silence_s = read_silence_s(conn)
            if past:
                self._past.settle()
            self._past_at = time.monotonic()
            self._note(past=past, silence_s=silence_s)

    def _read_backlog(self, conn: Connection) -> None:
        """Count now and then; where that fails, what was counted last stands a while."""
        now = time.monotonic()
        if not self._backlog.begin(now):
            return
        with self._enduring(conn):
            counted = read_backlog(conn)
            self._backlog_at = now
            self._note(backlog=counted)
        if now - self._backlog_at > BACKLOG_STALE_S:
            self._note(backlog=None)

    def _read_bound(self, conn: Connection) -> None:
        """Ask now and then what the API there was told."""
        if self._bound.begin(time.monotonic()):
            bound_s = check_seconds(read_offline_bound(conn))
            self._note(max_offline_s=bound_s, has_key=check_flag(read_has_key(conn)))

    def _read_gaps(self, conn: Connection, block: LiteralString) -> None:
        """Ask at each beat, more rarely where it can't be told."""
        unknown = self._sight.reading is not None and self._sight.gaps is None
        if self._gaps.begin(time.monotonic(), rest_s=BOUND_S if unknown else None):
            with self._enduring(conn):
                self._note(gaps=check_count(read_gaps(conn, block)))

    def _read_error(self, conn: Connection, block: LiteralString, reading: EndpointReading) -> None:
        """Ask for the last error while a subscription gets nothing, or fails again and again."""
        now = time.monotonic()
        if not (self._tracks.find_unserved(reading, now) or self._tracks.find_failing(reading, now)):
            self._error.wake()
            self._note(last_error=None)
        elif self._error.begin(now):
            with self._enduring(conn):
                self._note(last_error=check_last_error(read_last_error(conn, block)))

    def _note(self, **known: object) -> None:
        """Write into the sight what was found."""
        with self._lock:
            self._sight = replace(self._sight, **known)  # type: ignore[arg-type]  # one field of many

    @contextmanager
    def _enduring(self, conn: Connection) -> Iterator[None]:
        """Go on where only a question failed. Raise the error where the connection did."""
        try:
            yield
        except psycopg.Error as error:
            if conn.closed:
                raise
            if self._endured.fails(error.sqlstate):
                fields = {"endpoint": self.endpoint, "sqlstate": error.sqlstate}
                log_event(log, "unreadable", level=logging.WARNING, **fields)

    def _take(self, reading: EndpointReading, began: float) -> None:
        with self._lock:
            now = time.monotonic()
            before = self._sight
            beat = before.beat if reading.beat_locked else reading.beat
            if not reading.beat_locked:
                self._beat_at = now
            if beat is not None and (before.beat is None or before.beat.beat != beat.beat):
                self._beat_changed_at = now
            self._read_at = self._answered_at = now
            self._failures = 0
            self._tracks.sample(reading, now)
            offset = reading.now.timestamp() - began if now - began < SURE_S else before.clock_offset_s
            self._sight = replace(
                before,
                reading=reading,
                beat=beat,
                beat_missing=before.beat_missing if reading.beat_locked else beat is None,
                clock_offset_s=offset,
                failing=self._tracks.find_failing(reading, now),
                unserved_s=self._tracks.find_unserved(reading, now),
                replaced={**before.replaced, **self._tracks.find_replaced(reading)},
                unreached=Unreached.SILENT,
                failure="",
                hint="",
            )

    def _fail(self, error: psycopg.Error, conn: Connection | None) -> Connection | None:
        """Note why; return the connection if it still is one: then the server answered, and only that."""
        alive = conn is not None and not conn.closed
        with self._lock:
            if alive:
                self._answered_at = time.monotonic()
            else:
                self._failures += 1
        told = self._explain(error)
        with self._lock:
            way = told.way if isinstance(told, UnreachableError) else self._sight.unreached
            self._sight = replace(self._sight, failure=told.fact, hint=told.hint, unreached=way)
        return conn if alive else None

    def _explain(self, error: psycopg.Error) -> PonteError:
        """Find out why, unless the same was found out just now: a look must not wait for it each time."""
        kind = (type(error), str(error))
        if kind != self._explained[0]:
            source = watch_variable(self.endpoint)
            told = explain_failure(error, self._dsn.get_secret_value(), name=self.endpoint, source=source)
            self._explained = (kind, told)
        return self._explained[1]
