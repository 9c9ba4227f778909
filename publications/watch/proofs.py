"""Compares the ends of a hop all the time, a piece at a time, in a thread of its own and within a budget."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import psycopg
from pydantic import SecretStr

from db.bounded import believed
from db.engines import Connection
from db.sqlfile import read_blocks
from db.unforeseen import Unforeseen
from publications.declare.declaration import Export, Intake
from publications.prove.pace import Pace
from publications.prove.verify import Compared, Prover, TableProof, make_prover
from publications.watch.connection import open_link

APPLICATION = "ponte-prove"
PAUSE_S = 5.0
"""Between two rounds, however quick they are."""
BURST_S = 0.25
"""So much work is done before the rest that it costs: a small shop is compared in one go."""
ARRIVAL_S = 3.0
UNPROVEN_S = 60.0
"""A hop that runs and could not be compared for so long is one of which nobody knows that all is well."""


_SQL = read_blocks("publications", "watch")
log = logging.getLogger(__name__)


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


class Mender(Protocol):
    """Heals by itself what a proof found, where it may."""

    def mend(self, one: Compared, proof: TableProof) -> None:
        """Heal rows of one table, or leave them to people."""


class ProofFollower:
    """One hop's thread. It never raises."""

    def __init__(
        self,
        hop: Intake | Export,
        window: str,
        compared: Sequence[Compared],
        dsns: Mapping[str, SecretStr],
        *,
        core_percent: float,
        keeps: bool = False,
        mender: Mender | None = None,
    ) -> None:
        """window: where proofs are kept. keeps: it writes them there, so that others know of them."""
        self._target = hop.target
        self._window = window
        self._compared = compared
        self._dsns = {name: dsns[name] for name in (hop.source, hop.target) if name in dsns}
        self._keeps = keeps
        self._mender = mender
        self._lock = threading.Lock()
        self._losses = Losses()
        self._checked: dict[str, float] = {}
        self._absent: set[str] = set()
        self._proven_at = time.monotonic()
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._unforeseen = Unforeseen(log, target=hop.target)
        self._pace = Pace(core_percent, self._stopping, burst_s=BURST_S)
        self._thread = threading.Thread(target=self._run, name=f"prove-{hop.target}", daemon=True)

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
            wanted = {str(one.table) for one in self._compared} - self._absent
            known = [self._checked[name] for name in wanted if name in self._checked]
            checked_s = now - min(known) if known and len(known) == len(wanted) else None
            return replace(self._losses, unproven_s=now - self._proven_at, checked_s=checked_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with ExitStack() as links:
                    ends = {
                        name: links.enter_context(open_link(dsn, APPLICATION))
                        for name, dsn in self._dsns.items()
                    }
                    with believed():
                        self._recall(ends[self._window])
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
            except Exception as error:  # noqa: BLE001  # a thread that ended never compares again
                self._unforeseen.tell(error)
            self._looked.set()
            self._stopping.wait(PAUSE_S)

    def _recall(self, window: Connection) -> None:
        """Begin with what another who watches has found."""
        kept = window.execute(_SQL["proofs"], [self._target]).fetchall()
        now = time.monotonic()
        with self._lock:
            for table, rows, seen_at, ago_s in kept:
                self._checked.setdefault(table, now - ago_s)
                if rows and table not in self._losses.tables:
                    lost = {**self._losses.tables, table: LostRows(rows, seen_at)}
                    self._losses = replace(self._losses, tables=lost)

    def _go_round(self, prover: Prover) -> None:
        for one in self._compared:
            began = time.monotonic()
            with believed():
                proof = prover.prove(one, self._take)
            if self._pace.stopped:
                return
            self._finish(proof, began)
            if proof.following and not proof.unsettled:
                self._keep(prover.connections[self._window], proof, time.monotonic() - began)
            if self._mender and proof.listed:
                self._mender.mend(one, proof)

    def _take(self, proof: TableProof) -> None:
        """Say at once what is found; whether it is all only the end of the table tells."""
        with self._lock:
            if not proof.unsettled:
                self._proven_at = time.monotonic()
            known = self._losses.tables.get(proof.table)
            if proof.differing > (known.rows if known else 0):
                self._set(proof.table, proof.differing)

    def _finish(self, proof: TableProof, began: float) -> None:
        with self._lock:
            if not proof.following:
                self._absent.add(proof.table)
                self._set(proof.table, 0)
                return
            self._absent.discard(proof.table)
            if not proof.unsettled:
                self._checked[proof.table] = began
            self._set(proof.table, proof.differing)

    def _set(self, table: str, differing: int) -> None:
        tables = dict(self._losses.tables)
        known = tables.pop(table, None)
        if differing:
            tables[table] = LostRows(differing, known.seen_at if known else datetime.now(UTC))
        self._losses = Losses(tables)

    def _keep(self, window: Connection, proof: TableProof, took_s: float) -> None:
        if not self._keeps:
            return
        lost = self._losses.tables.get(proof.table)
        given = {
            "target": self._target,
            "compared": proof.table,
            "rows": proof.differing,
            "seen_at": lost.seen_at if lost else None,
            "ago": took_s,
        }
        window.execute(_SQL["write_proof"], given)

    def _note_hidden(self) -> None:
        with self._lock:
            self._losses = Losses(hidden=True)
            self._proven_at = time.monotonic()
