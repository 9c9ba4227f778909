"""Writes the history of measurements and reads it, in a thread of its own: one that waits delays no look."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg
from pydantic import SecretStr

from db.engines import Connection, connect
from db.freshness import Cause, FreshnessState
from db.logs import log_event
from db.outage import Outage
from db.unforeseen import Unforeseen
from db.unreached import explain_failure
from publications.settings import watch_variable
from publications.watch.history import Piece, Turn, read_day, read_turns, thin, write_measurement
from publications.watch.view import View

APPLICATION = "ponte-panel"
READ_S = 30.0
"""The chart's pieces are ten minutes long."""
THIN_S = 3600.0
LOOK_S = 0.5

log = logging.getLogger(__name__)


class Look(Protocol):
    """A look and how old it is."""

    @property
    def view(self) -> View:
        """What was seen."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since."""


@dataclass(frozen=True)
class History:
    """What was last read of it, by subscriber."""

    day: Mapping[str, Sequence[Piece]]
    turns: Mapping[str, Sequence[Turn]]


class Recorder:
    """A thread that keeps the history of whatever was looked at last."""

    def __init__(self, read: Callable[[], Look | None], vitrine: SecretStr, *, record_s: float) -> None:
        self.history = History({}, {})
        self._read = read
        self._vitrine = vitrine
        self._record_s = record_s
        self._conn: Connection | None = None
        self._recorded: dict[str, tuple[float, FreshnessState, Cause | None]] = {}
        self._read_at = self._thinned_at = -THIN_S
        self._outage = Outage()
        self._unforeseen = Unforeseen(log, thread="recorder")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; one that hangs is left behind."""
        self._stopping.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            last = self._read()
            if last is not None and last.view.sights[last.view.window].answers:
                self._try(last)
        self._close()

    def _try(self, last: Look) -> None:
        try:
            self._keep(last)
        except psycopg.Error as error:
            self._close()
            self._tell(error)
        except Exception as error:  # noqa: BLE001  # or nobody would keep a history again
            self._unforeseen.tell(error)
        else:
            if self._outage.works() is not None:
                log_event(log, "history_back", level=logging.WARNING)

    def _tell(self, error: psycopg.Error) -> None:
        if self._outage.fails((type(error), str(error))):
            dsn, source = self._vitrine.get_secret_value(), watch_variable("vitrine")
            told = explain_failure(error, dsn, name="vitrine", source=source)
            log_event(log, "history_lost", level=logging.WARNING, fact=told.fact, hint=told.hint)

    def _close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _keep(self, last: Look) -> None:
        if self._conn is None:
            self._conn = connect(self._vitrine.get_secret_value(), application=APPLICATION)
            self._conn.execute("SET statement_timeout = '2s'")
        now = time.monotonic()
        names = list(last.view.subscribers)
        turned = {self._record(self._conn, last, name, now) for name in names}
        if True in turned or now - self._read_at > READ_S:
            conn = self._conn
            self.history = History(
                {name: read_day(conn, name) for name in names},
                {name: read_turns(conn, name) for name in names},
            )
            self._read_at = now
        if now - self._thinned_at > THIN_S:
            thin(self._conn)
            self._thinned_at = now

    def _record(self, conn: Connection, last: Look, name: str, now: float) -> bool:
        """Write a line when it is time for one, and at once when state or cause changed; tell the latter."""
        measured = last.view.measure(name, elapsed_s=last.elapsed_s)
        at, *before = self._recorded.get(name, (-self._record_s, None, None))
        turned = before != [measured.state, measured.cause]
        if turned or now - at >= self._record_s:
            write_measurement(conn, name, measured, _wal(last.view, name))
            self._recorded[name] = (now, measured.state, measured.cause)
        return turned


def _wal(view: View, subscriber: str) -> dict[str, int | None]:
    """Return how far sgp and vitrine have written and what their slots keep, if that was seen just now."""
    found: dict[str, int | None] = {}
    for column, hop in zip(("sgp", "vitrine"), view.subscribers[subscriber].hops, strict=True):
        sight = view.sights[hop.source]
        samples = sight.samples.get(hop.slot_name) if sight.answers else None
        newest = samples[-1] if samples else None
        found[f"{column}_wal_bytes"] = newest.wal_bytes if newest else None
        found[f"{column}_retained_bytes"] = newest.retained_bytes if newest else None
    return found
