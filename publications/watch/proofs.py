"""Compares the ends of a hop all the time, a piece at a time, in a thread of its own and within a budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg
from pydantic import SecretStr

from publications.prove.pace import Pace
from publications.prove.verify import Compared, Prover, TableProof, make_prover
from publications.watch.follower import open_link

PAUSE_S = 5.0
"""Between two rounds, however quick they are."""
BURST_S = 0.25
"""So much work is done before the rest that it costs: a small shop is compared in one go."""
ARRIVAL_S = 3.0
UNPROVEN_S = 60.0
"""A hop that runs and could not be compared for so long is one of which nobody knows that all is well."""


@dataclass(frozen=True)
class LostRows:
    """What of one table differs."""

    rows: int
    seen_at: datetime
    """When it was first seen, by our own clock."""


@dataclass(frozen=True)
class Losses:
    """What is known of one hop."""

    tables: Mapping[str, LostRows] = field(default_factory=dict)
    hidden: bool = False
    """It may not be compared: `ponte apply` was not there since Ponte compares."""
    unproven_s: float = 0.0
    """For how long no comparison came to an end."""
    checked_s: float | None = None
    """Each row was compared within so many seconds; None if not yet."""


class ProofFollower:
    """One hop's thread. It never raises."""

    def __init__(
        self, name: str, compared: Sequence[Compared], dsns: Mapping[str, SecretStr], *, core_percent: float
    ) -> None:
        """dsns: of the hop's ends."""
        self._compared = compared
        self._dsns = dsns
        self._lock = threading.Lock()
        self._losses = Losses()
        self._checked: dict[str, float] = {}
        self._proven_at = time.monotonic()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._pace = Pace(core_percent, self._stopping, burst_s=BURST_S)
        self._thread = threading.Thread(target=self._run, name=f"prove-{name}", daemon=True)

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
        now = time.monotonic()
        with self._lock:
            oldest = min(self._checked.values(), default=None)
            return replace(
                self._losses,
                unproven_s=now - self._proven_at,
                checked_s=now - oldest if oldest is not None and self._has_all() else None,
            )

    def _has_all(self) -> bool:
        return self._looked.is_set() and bool(self._checked)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with ExitStack() as links:
                    ends = {name: links.enter_context(open_link(dsn)) for name, dsn in self._dsns.items()}
                    prover = make_prover(ends, self._pace, fence_s=ARRIVAL_S)
                    while not self._stopping.is_set():
                        self._go_round(prover)
                        self._looked.set()
                        self._stopping.wait(PAUSE_S)
            except (
                psycopg.errors.InsufficientPrivilege,
                psycopg.errors.UndefinedTable,
                psycopg.errors.UndefinedFunction,
            ):
                self._note_hidden()
            except psycopg.Error:
                pass  # who follows that database says why
            self._looked.set()
            self._stopping.wait(PAUSE_S)

    def _go_round(self, prover: Prover) -> None:
        for one in self._compared:
            began = time.monotonic()
            proof = prover.prove(one, self._take)
            if self._pace.stopped:
                return
            self._finish(proof, began)

    def _take(self, proof: TableProof) -> None:
        """Say at once what is found; whether it is all only the end of the table tells."""
        with self._lock:
            if not proof.unsettled:
                self._proven_at = time.monotonic()
            known = self._losses.tables.get(proof.table)
            if proof.differing > (known.rows if known else 0):
                self._set(proof)

    def _finish(self, proof: TableProof, began: float) -> None:
        with self._lock:
            if not proof.following:
                self._checked.pop(proof.table, None)
            elif not proof.unsettled:
                self._checked[proof.table] = began
            self._set(proof if proof.following else replace(proof, counts=type(proof.counts)()))

    def _set(self, proof: TableProof) -> None:
        tables = dict(self._losses.tables)
        known = tables.pop(proof.table, None)
        if proof.differing:
            tables[proof.table] = LostRows(proof.differing, known.seen_at if known else datetime.now(UTC))
        self._losses = Losses(tables)

    def _note_hidden(self) -> None:
        with self._lock:
            self._losses = Losses(hidden=True)
            self._proven_at = time.monotonic()
