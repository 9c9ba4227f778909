"""Compares one subscriber with the window now and then, in a thread of its own, and never for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg
from pydantic import SecretStr

from publications.decide.spec import HopSpec
from publications.prove.compare import Comparer
from publications.watch.follower import open_link

PAUSE_S = 5.0
SHARE = 20
"""It rests so many times as long as it worked: a twentieth of one connection's time is its budget."""
ARRIVAL_S = 3.0
UNPROVEN_S = 60.0
"""A hop that runs and could not be compared for so long is one of which nobody knows that all is well."""


@dataclass(frozen=True)
class LostRows:
    """What of one table did not arrive."""

    rows: int
    seen_at: datetime
    """When it was first seen, by our own clock."""


@dataclass(frozen=True)
class Losses:
    """What the last comparison found."""

    tables: Mapping[str, LostRows] = field(default_factory=dict)
    hidden: bool = False
    """It may not be compared: `ponte apply` was not there since Ponte compares."""
    unproven_s: float = 0.0
    """For how long no comparison came to an end."""


class LossFollower:
    """One export's thread. It never raises."""

    def __init__(self, hop: HopSpec, slot: str, *, source: SecretStr, target: SecretStr) -> None:
        self._hop = hop
        self._slot = slot
        self._dsns = (source, target)
        self._lock = threading.Lock()
        self._losses = Losses()
        self._proven_at = time.monotonic()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"compare-{hop.target}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout_s)

    def wait_first(self, timeout_s: float) -> None:
        """Wait until it has compared once, or could not."""
        self._looked.wait(timeout_s)

    def look(self) -> Losses:
        """Return what is known now."""
        with self._lock:
            return replace(self._losses, unproven_s=time.monotonic() - self._proven_at)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with open_link(self._dsns[0]) as source, open_link(self._dsns[1]) as target:
                    self._compare_on(Comparer(source, target, self._hop, self._slot))
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
                self._note(Losses(hidden=True))
            except psycopg.Error:
                pass  # who follows that database says why
            self._looked.set()
            self._stopping.wait(PAUSE_S)

    def _compare_on(self, comparer: Comparer) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            found = comparer.find_lost(timeout_s=ARRIVAL_S)
            if found is not None:
                self._note(self._date({str(table): rows for table, rows in found.items()}))
            self._looked.set()
            self._stopping.wait(max(PAUSE_S, SHARE * (time.monotonic() - began)))

    def _date(self, found: Mapping[str, int]) -> Losses:
        now = datetime.now(UTC)
        known = self._losses.tables
        return Losses(
            {
                table: LostRows(rows, known[table].seen_at if table in known else now)
                for table, rows in found.items()
            }
        )

    def _note(self, losses: Losses) -> None:
        with self._lock:
            self._losses = losses
            self._proven_at = time.monotonic()
