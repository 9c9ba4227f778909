"""Compare all that travels, table by table, and bring together what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.decide.grants import VERSION
from publications.declare.names import TableName
from publications.prove.differences import Difference, Kind
from publications.prove.pace import Pace
from publications.prove.pairs import Shown, TablePair
from publications.prove.sides import make_canonical
from publications.prove.walk import PIECE_ROWS, Piece, make_walk, paced, walk_shown

LISTED = 10_000
"""So many keys of a table are kept; all are counted."""

Connections = Mapping[str, Connection]
Compared = TablePair | Shown
Found = Callable[[Compared, Sequence[Difference]], None]

_SQL = read_blocks("publications", "prove")


def ignore(_: Compared, __: Sequence[Difference]) -> None:
    """Leave what differs as it is."""


@dataclass
class TableProof:
    """What is known of one table on one hop."""

    hop: str
    table: str
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """By kind, those that differ for good."""
    unsettled: int = 0
    """Rows that differ and may be on their way: nothing was confirmed, or they change too fast."""
    listed: list[Difference] = field(default_factory=list)
    following: bool = True
    """Else an end is away, the table is being copied or its subscription is disabled: nothing can be said."""

    @property
    def differing(self) -> int:
        """Count all that differs for good."""
        return self.counts.total()

    @property
    def proven(self) -> bool:
        """Both ends are equal."""
        return self.following and not self.differing and not self.unsettled

    def add(self, piece: Piece) -> None:
        """Take in one more piece."""
        self.rows += piece.rows
        self.counts.update(one.kind.value for one in piece.found if one.settled)
        self.unsettled += sum(not one.settled for one in piece.found)
        self.listed += islice(piece.found, LISTED - len(self.listed))


@dataclass(frozen=True)
class Prover:
    """Connections to the ends, and how fast they may be asked. fence_s: the longest wait for arrival."""

    connections: Connections
    pace: Pace
    fence_s: float
    rows: int = PIECE_ROWS

    def walk(self, one: Compared) -> Iterator[Piece]:
        """Compare one table."""
        ends = self.connections
        if isinstance(one, Shown):
            return paced(walk_shown(one, ends[one.endpoint], rows=self.rows), self.pace)
        walk = make_walk(one, ends[one.source], ends[one.target], fence_s=self.fence_s)
        return paced(walk.run(self.rows), self.pace)

    def follows(self, one: Compared) -> bool:
        """Tell whether a table can be compared: what is copied right now differs, and nothing is wrong."""
        ends = {one.endpoint} if isinstance(one, Shown) else {one.source, one.target}
        if not ends <= self.connections.keys():
            return False
        return isinstance(one, Shown) or one.table in find_following(self.connections[one.target], one)

    def prove(
        self, one: Compared, report: Callable[[TableProof], None] = lambda _: None, found: Found = ignore
    ) -> TableProof:
        """Compare one table to its end. found: gets what differs for good, as soon as it is known."""
        proof = TableProof(one.hop, str(one.table), following=self.follows(one))
        if proof.following:
            for piece in self.walk(one):
                proof.add(piece)
                found(one, [each for each in piece.found if each.settled])
                report(proof)
            proof.following = self.follows(one)
        return proof


def find_following(target: Connection, pair: TablePair) -> set[TableName]:
    """Return the tables of a subscription that are in step."""
    if not pair.subscription:
        return {pair.table}
    rows = target.execute(_SQL["ready"], [pair.subscription]).fetchall()
    return {TableName(schema, table) for schema, table in rows}


def make_prover(connections: Connections, pace: Pace, *, fence_s: float, rows: int = PIECE_ROWS) -> Prover:
    """Have every session word rows as the others do."""
    for conn in connections.values():
        make_canonical(conn)
    return Prover(connections, pace, fence_s, rows)


def find_lost(prover: Prover, pairs: Iterable[TablePair]) -> frozenset[TableName]:
    """Return the tables of which rows are missing, too old or left over, by their keys and versions alone.

    A row that is newer at the target is none of them. Where nothing arrives, nothing is known.
    """
    lost = set()
    for pair in pairs:
        proof = prover.prove(replace(pair, columns=(pair.key, VERSION)))
        if proof.unsettled:
            break
        if proof.following and proof.differing > proof.counts[Kind.NEWER]:
            lost.add(pair.table)
    return frozenset(lost)


def choose(compared: Iterable[Compared], names: Collection[str]) -> list[Compared]:
    """Return those whose table, or landing table, bears one of the names; all where there are none."""
    return [one for one in compared if not names or _names_of(one).intersection(names)]


def _names_of(one: Compared) -> set[str]:
    tables = {one.table, one.landing} if isinstance(one, Shown) else {one.table}
    return {name for table in tables for name in (str(table), table.name)}
