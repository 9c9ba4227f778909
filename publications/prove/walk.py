"""Walk through a table, a piece of keys at a time, and tell what differs in each."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.declare.names import TableName
from publications.prove.differences import (
    Candidate,
    Difference,
    Kind,
    find_candidates,
    find_candidates_among,
    settle,
)
from publications.prove.fence import SlotFence
from publications.prove.pace import Pace
from publications.prove.pairs import Shown, TablePair
from publications.prove.ranges import FAN, Key, KeyRange, narrow
from publications.prove.sides import TableSide, count_rows, find_end, read_encoding

PIECE_ROWS = 16_384
"""Some 30 ms of a core: nobody waits longer for its cache."""
IMPATIENT_S = 1.0
"""Where once nothing arrived in time, others are not waited for as long."""
BATCH = 1_000
"""So many rows that differ are asked for again at once."""

_SQL = read_blocks("publications", "prove")


@dataclass(frozen=True)
class Piece:
    """What was found between two keys, or in a part of that."""

    rows: int
    """So many of the source's were compared."""
    found: tuple[Difference, ...] = ()


@dataclass
class PairWalk:
    """One table at both ends. fence_s: the longest wait for what is on its way."""

    pair: TablePair
    source: TableSide
    target: TableSide
    fence: SlotFence
    fence_s: float

    def look_again(self, keys: Collection[Key]) -> Piece:
        """Compare single rows."""
        return self._settle(find_candidates_among(self.source, self.target, keys))

    def run(self, rows: int) -> Iterator[Piece]:
        """Compare all, so many rows at a time; the two ends are asked at once."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"prove-{self.pair.target}") as other:
            for within in _iterate(self.source.conn, self.pair.table, self.pair.key, rows):
                theirs = other.submit(self.target.digest, [within])
                [mine], [held] = self.source.digest([within]), theirs.result()
                if mine != held:
                    yield from self._look_closely(within, (mine.rows, held.rows))
                yield Piece(mine.rows)

    def _look_closely(self, within: KeyRange, rows: tuple[int, int]) -> Iterator[Piece]:
        candidates: list[Candidate] = []
        for leaf in narrow(self.source, self.target, within, rows=rows):
            candidates += find_candidates(self.source, self.target, leaf)
            if len(candidates) >= BATCH:
                yield self._settle(candidates)
                candidates = []
        yield self._settle(candidates)

    def _settle(self, candidates: list[Candidate]) -> Piece:
        versioned = self.pair.versioned
        found = settle(
            self.source, self.target, candidates, self.fence, timeout_s=self.fence_s, versioned=versioned
        )
        if not all(one.settled for one in found):
            self.fence_s = min(self.fence_s, IMPATIENT_S)
        return Piece(0, tuple(found))


def make_walk(pair: TablePair, source: Connection, target: Connection, *, fence_s: float) -> PairWalk:
    """Make ready to compare one table at both ends of a hop."""
    one_encoding = read_encoding(source) == read_encoding(target)
    return PairWalk(
        pair,
        TableSide(source, pair, is_source=True, one_encoding=one_encoding),
        TableSide(target, pair, is_source=False, one_encoding=one_encoding),
        SlotFence(source, pair.slot),
        fence_s,
    )


def walk_shown(shown: Shown, conn: Connection, *, rows: int = PIECE_ROWS) -> Iterator[Piece]:
    """Compare a window's table with what the projection makes of landing's rows today.

    Both are written in one transaction, so one snapshot of both is enough. To project a row is some twenty
    times the work of hashing it.
    """
    for within in _iterate(conn, shown.landing, shown.key, rows // FAN):
        bounds = [shown.landing.schema, shown.landing.name, within.low, within.high]
        found = conn.execute(_SQL["unlike"], bounds).fetchall()
        compared = count_rows(conn, shown.landing, shown.key, within)
        yield Piece(compared, tuple(Difference(key, Kind(kind)) for key, kind in found))


def paced(pieces: Iterator[Piece], pace: Pace) -> Iterator[Piece]:
    """Rest after each piece."""
    while not pace.stopped:
        began = time.monotonic()
        piece = next(pieces, None)
        if piece is None:
            return
        pace.rest(time.monotonic() - began)
        yield piece


def _iterate(conn: Connection, table: TableName, key: str, rows: int) -> Iterator[KeyRange]:
    low = None
    while True:
        high = find_end(conn, table, key, low, rows=rows)
        yield KeyRange(low, high)
        if high is None:
            return
        low = high
