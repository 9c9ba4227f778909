"""Why a subscription stands still: the very row that its server refuses, tried out and taken back.

Nothing is skipped. What apply would write of the rows that differ is written in a transaction that is rolled
back, one row at a time; the first that is refused tells constraint or trigger. A row that is in its way and
that the source does not have can be put aside; then apply goes on by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import psycopg
from psycopg import sql

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.declare.names import TableName
from publications.prove.differences import find_candidates
from publications.prove.fence import SlotFence
from publications.prove.heal import Choice, write_rows
from publications.prove.pairs import TablePair
from publications.prove.ranges import Key, KeyRange, find_leaves
from publications.prove.sides import name_of
from publications.prove.walk import PairWalk

TRIED = 2_000
"""So many rows that differ are tried out."""
POLL_S = 0.2
TRANSIENT = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE of what passes: a lock, a full disk, a server that stops."""

_SQL = read_blocks("publications", "recover")


@dataclass(frozen=True)
class Obstacle:
    """A row that can't be written."""

    pair: TablePair
    key: Key
    sqlstate: str
    constraint: str | None
    blocking: tuple[Key, ...] = ()
    """Rows of the target's that are in its way and that the source does not have."""
    triggers: tuple[str, ...] = ()
    """Triggers of that table's that are not Ponte's."""

    @property
    def passes(self) -> bool:
        """It goes by itself: apply tries again and again."""
        return self.sqlstate.startswith(TRANSIENT)


def is_stopped(source: Connection, target: Connection, pair: TablePair, *, timeout_s: float) -> bool:
    """Tell whether what was written so far does not arrive, and apply fails meanwhile, or is disabled."""
    before = _count_errors(target, pair)
    deadline = time.monotonic() + timeout_s
    fence = SlotFence(source, pair.slot)
    mark = fence.mark()
    while not fence.is_passed(mark):
        if _count_errors(target, pair) != before:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return False


def _count_errors(target: Connection, pair: TablePair) -> tuple[object, ...] | None:
    return target.execute(_SQL["errors"], [pair.subscription]).fetchone()


def find_obstacle(walk: PairWalk) -> Obstacle | None:
    """Return the first row of a table that its server refuses; None if it takes all that differ."""
    keys = islice(_find_differing(walk), TRIED)
    for key in keys:
        try:
            _try_out(walk, key)
        except psycopg.Error as error:
            return _explain(walk, key, error)
    return None


def _find_differing(walk: PairWalk) -> Iterator[Key]:
    for leaf in find_leaves(walk.source, walk.target, KeyRange()):
        for one in find_candidates(walk.source, walk.target, leaf):
            yield one.key


def _try_out(walk: PairWalk, key: Key) -> None:
    there = walk.source.read_keys([key])
    target = walk.target.conn
    with target.transaction(force_rollback=True):
        target.execute(_SQL["as_apply"])
        write_rows(walk, Choice([key], [], ()) if there else Choice([], [key], ()))


def _explain(walk: PairWalk, key: Key, error: psycopg.Error) -> Obstacle:
    target, pair = walk.target.conn, walk.pair
    found = target.execute(_SQL["triggers"], [pair.table.schema, pair.table.name]).fetchall()
    constraint = error.diag.constraint_name
    blocking: Sequence[Key] = ()
    if isinstance(error, psycopg.errors.UniqueViolation) and constraint:
        blocking = _find_blocking(walk, key, TableName(pair.table.schema, constraint))
    triggers = tuple(name for (name,) in found)
    return Obstacle(pair, key, error.sqlstate or "", constraint, tuple(blocking), triggers)


def _find_blocking(walk: PairWalk, key: Key, index: TableName) -> list[Key]:
    """Return the target's rows with the same values in an index's columns, which the source does not have."""
    pair, target = walk.pair, walk.target.conn
    columns = [name for (name,) in target.execute(_SQL["columns"], [index.schema, index.name])]
    if not columns or not set(columns) <= set(pair.columns):
        return []
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    table, name = name_of(pair.table), sql.Identifier(pair.key)
    values = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(listed, table, name)
    wanted = walk.source.conn.execute(values, [key]).fetchone()
    if wanted is None:
        return []
    query = sql.SQL("SELECT {} FROM {} WHERE ({}) = ({}) AND {} <> %s").format(
        name, table, listed, sql.SQL(", ").join([sql.Placeholder()] * len(columns)), name
    )
    there = [found for (found,) in target.execute(query, [*wanted, key])]
    sent = walk.source.find_keys(there)
    return [found for found in there if found not in sent]


def put_aside(walk: PairWalk, obstacle: Obstacle) -> int:
    """Move the rows that are in the way into quarantine; return how many."""
    pair, target = walk.pair, walk.target.conn
    quarantine = TableName("guard" if pair.versioned else "projection", "quarantine")
    query = sql.SQL(
        "WITH gone AS (DELETE FROM {table} AS t WHERE {key} = ANY (%s) RETURNING {key}::text AS key,"
        " to_jsonb(t) AS row) INSERT INTO {quarantine} (table_name, key, row, constraint_name)"
        " SELECT %s, key, row, %s FROM gone"
    ).format(table=name_of(pair.table), key=sql.Identifier(pair.key), quarantine=name_of(quarantine))
    with target.transaction():
        target.execute(_SQL["as_apply"])
        given = [list(obstacle.blocking), str(pair.table), obstacle.constraint]
        return target.execute(query, given).rowcount
