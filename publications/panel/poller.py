"""Looks every two seconds, keeps the last look and writes the history."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from pydantic import SecretStr

from db.engines import Connection, connect
from db.freshness import Cause, FreshnessState
from publications.history import Piece, Turn, read_day, read_turns, thin, write_measurement
from publications.watch import View, Watch

APPLICATION = "ponte-panel"
READ_S = 30.0
"""The chart's pieces are ten minutes long."""
THIN_S = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Polled:
    """The last look, when it was, and what the history says."""

    view: View
    at_unix: float
    at_steady: float
    day: Mapping[str, Sequence[Piece]] = field(default_factory=dict)
    turns: Mapping[str, Sequence[Turn]] = field(default_factory=dict)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the look."""
        return time.monotonic() - self.at_steady


class Poller:
    """A thread that looks; everything shown is what it saw last, with its age."""

    def __init__(
        self, watch: Watch, vitrine: SecretStr, *, interval_s: float = 2.0, record_s: float = 10.0
    ) -> None:
        self._watch = watch
        self._vitrine = vitrine
        self._interval_s = interval_s
        self._record_s = record_s
        self._conn: Connection | None = None
        self._last: Polled | None = None
        self._recorded: dict[str, tuple[float, FreshnessState, Cause | None]] = {}
        self._read_at = self._thinned_at = -READ_S
        self._day: dict[str, Sequence[Piece]] = {}
        self._turns: dict[str, Sequence[Turn]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    @property
    def last(self) -> Polled | None:
        """The last look; None before the first."""
        return self._last

    def start(self) -> None:
        """Begin, and wait for the first look."""
        self._poll(self._watch.look_first())
        self._thread.start()

    def stop(self) -> None:
        """End; what was seen stays, and grows old."""
        self._stopping.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self._poll(self._watch.look())
        if self._conn is not None:
            self._conn.close()

    def _poll(self, view: View) -> None:
        """Show first, then write: a history that can't be written must not make the panel old."""
        self._last = Polled(view, time.time(), time.monotonic(), self._day, self._turns)
        if not view.sights[view.window].answers:
            return
        try:
            self._keep_history(view)
        except psycopg.Error as error:
            log.warning("history_unwritable", extra={"fields": {"sqlstate": error.sqlstate}})
            if self._conn is not None:
                self._conn.close()
                self._conn = None

    def _keep_history(self, view: View) -> None:
        if self._conn is None:
            self._conn = connect(self._vitrine.get_secret_value(), application=APPLICATION)
            self._conn.execute("SET statement_timeout = '2s'")
        now = time.monotonic()
        turned = {self._record(self._conn, view, name, now) for name in view.subscribers}
        if True in turned or now - self._read_at > READ_S:
            self._day = {name: read_day(self._conn, name) for name in view.subscribers}
            self._turns = {name: read_turns(self._conn, name) for name in view.subscribers}
            self._read_at = now
        if now - self._thinned_at > THIN_S:
            thin(self._conn)
            self._thinned_at = now

    def _record(self, conn: Connection, view: View, name: str, now: float) -> bool:
        """Write a line when it is time for one, and at once when state or cause changed; tell the latter."""
        measured = view.measure(name)
        at, *before = self._recorded.get(name, (-self._record_s, None, None))
        turned = before != [measured.state, measured.cause]
        if turned or now - at >= self._record_s:
            write_measurement(conn, name, measured, _wal(view, name))
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
