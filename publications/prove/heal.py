"""Move the rows that differ, and no others, while apply runs.

Apply waits for the length of each batch: the target's table is locked against writers, then the source is
read, then the target is written. So whatever apply brings afterwards is newer, and comes in its own order. A
row is written only if the source's is the very one that was compared behind a fence: one that has changed
since is on its way. On a subscriber the guard has the last word: it drops what is older than its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from db.engines import Connection
from db.errors import PonteError
from db.sqlfile import read_blocks
from publications.prove.differences import Difference, Kind
from publications.prove.pairs import Shown, TablePair
from publications.prove.ranges import Key
from publications.prove.sides import RowState, name_of
from publications.prove.walk import PairWalk, make_walk

ORIGIN = "ponte_heal"
"""The replication origin of what is written here, so that it can be told from what apply writes."""
BATCH = 500
ROUNDS = 5
"""So often rows are tried that change again and again."""
LOCK_TIMEOUT_MS = 3000
STAGE = sql.Identifier("ponte_heal")

_SQL = read_blocks("publications", "prove")


class HealingError(PonteError):
    """Somebody else heals."""


@dataclass(frozen=True)
class Healed:
    """What was done. moved_bytes: rows and keys that crossed from one end to the other."""

    written: int = 0
    removed: int = 0
    stamped: int = 0
    """Rows of which the target held a newer version: the source's were given one above it."""
    passed: tuple[Key, ...] = ()
    """Rows that had changed meanwhile, or were equal by then."""
    moved_bytes: int = 0

    def __add__(self, other: Healed) -> Healed:
        return Healed(
            self.written + other.written,
            self.removed + other.removed,
            self.stamped + other.stamped,
            self.passed + other.passed,
            self.moved_bytes + other.moved_bytes,
        )


@dataclass(frozen=True)
class Choice:
    """What is to be done with each key of a batch."""

    write: Sequence[Key]
    remove: Sequence[Key]
    passed: tuple[Key, ...]


class Healer:
    """Heals what a proof finds, and adds up what was done. Its connections may write."""

    def __init__(self, connections: Mapping[str, Connection], *, fence_s: float, dry: bool = False) -> None:
        self.done = Healed()
        self._connections = connections
        self._fence_s = fence_s
        self._dry = dry

    def heal(self, one: TablePair | Shown, differences: Sequence[Difference]) -> None:
        """Heal rows of one table. Raise HealingError if somebody else does."""
        if self._dry or not differences:
            return
        ends = self._connections
        target = ends[one.endpoint if isinstance(one, Shown) else one.target]
        with signed(target):
            if isinstance(one, Shown):
                self.done += heal_shown(one, target, differences)
            else:
                walk = make_walk(one, ends[one.source], target, fence_s=self._fence_s)
                self.done += heal_until_equal(walk, differences)


def choose(
    differences: Collection[Difference], here: Mapping[Key, RowState], there: Mapping[Key, RowState]
) -> Choice:
    """Decide by what both ends hold now, the target's writers standing still."""
    write: list[Key] = []
    remove: list[Key] = []
    passed: list[Key] = []
    for one in differences:
        row, held = here.get(one.key), there.get(one.key)
        if row != one.was or (row and row.mix) == (held and held.mix):
            passed.append(one.key)
        else:
            (remove if row is None else write).append(one.key)
    return Choice(write, remove, tuple(passed))


@contextmanager
def signed(target: Connection) -> Iterator[None]:
    """Have what a session writes in a block bear an origin of its own. Raise HealingError if it is in use."""
    target.execute(_SQL["make_origin"], [ORIGIN, ORIGIN])
    try:
        target.execute(_SQL["take_origin"], [ORIGIN])
    except psycopg.errors.ObjectInUse as error:
        raise HealingError(
            f"somebody heals {target.info.dbname} right now", "wait until that is done, then run it again"
        ) from error
    try:
        yield
    finally:
        if not target.closed:
            target.execute(_SQL["leave_origin"])


def heal_pair(
    walk: PairWalk, differences: Sequence[Difference], *, before_write: Callable[[], None] = lambda: None
) -> Healed:
    """Heal rows of one table. before_write: called between the look at the source and the write, by tests."""
    pair, here, there = walk.pair, walk.source, walk.target
    source, target = here.conn, there.conn
    done = Healed()
    for batch in _batch(differences):
        newer = [one.key for one in batch if one.kind is Kind.NEWER]
        done += _stamp(pair, source, newer)
        rest = [one for one in batch if one.kind is not Kind.NEWER]
        if not rest:
            continue
        with target.transaction(), _one_snapshot(source, after=lambda: _stop_writers(pair, target)):
            keys = [one.key for one in rest]
            choice = choose(rest, here.read_keys(keys), there.read_keys(keys))
            before_write()
            moved = write_rows(walk, choice)
        done += Healed(
            len(choice.write), len(choice.remove), passed=choice.passed, moved_bytes=moved + _size(keys)
        )
    return done


def heal_until_equal(walk: PairWalk, differences: Sequence[Difference]) -> Healed:
    """Heal rows; those that change meanwhile are compared anew, because what changes them finds no row."""
    done = Healed()
    for _ in range(ROUNDS):
        done = replace(done, passed=()) + heal_pair(walk, differences)
        if not done.passed:
            break
        differences = walk.look_again(done.passed).found
        if not differences:
            return replace(done, passed=())
    return done


def heal_shown(shown: Shown, conn: Connection, differences: Sequence[Difference]) -> Healed:
    """Project rows again; take those away that landing has no more."""
    done = Healed()
    for batch in _batch(differences):
        with conn.transaction():
            _lock(shown.landing.schema, shown.landing.name, conn)
            for one in batch:
                given = [shown.landing.schema, shown.landing.name, one.key]
                conn.execute(_SQL["project_again"], given)
        gone = sum(one.kind is Kind.EXTRA for one in batch)
        done += Healed(written=len(batch) - gone, removed=gone)
    return done


def _batch(differences: Sequence[Difference]) -> Iterator[Sequence[Difference]]:
    settled = [one for one in differences if one.settled]
    for start in range(0, len(settled), BATCH):
        yield settled[start : start + BATCH]


def _stamp(pair: TablePair, source: Connection, keys: Sequence[Key]) -> Healed:
    """Give the source's rows a newer version; they travel by themselves."""
    if not keys:
        return Healed()
    query = sql.SQL("UPDATE {table} SET {key} = {key} WHERE {key} = ANY (%s)").format(
        table=name_of(pair.table), key=sql.Identifier(pair.key)
    )
    return Healed(stamped=source.execute(query, [list(keys)]).rowcount)


@contextmanager
def _one_snapshot(source: Connection, *, after: Callable[[], None]) -> Iterator[None]:
    """Read the source as it is at one moment, which comes after something else."""
    after()
    with source.transaction():
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _stop_writers(pair: TablePair, target: Connection) -> None:
    if (
        pair.versioned
    ):  # a subscriber's tables refuse ordinary sessions; landing's projection catches for them
        target.execute("SET LOCAL session_replication_role = replica")
    _lock(pair.table.schema, pair.table.name, target)


def _lock(schema: str, name: str, conn: Connection) -> None:
    conn.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])
    conn.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(schema, name)))


def write_rows(walk: PairWalk, choice: Choice) -> int:
    """Write and remove, within a transaction; return the bytes of the rows that were moved."""
    pair, here, target = walk.pair, walk.source, walk.target.conn
    table, key = name_of(pair.table), sql.Identifier(pair.key)
    columns = sql.SQL(", ").join(map(sql.Identifier, pair.columns))
    moved = 0
    if choice.write:
        target.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                STAGE, columns, table
            )
        )
        store = sql.SQL("COPY {} FROM STDIN").format(STAGE)
        with target.cursor().copy(store) as stage:
            for piece in here.copy(choice.write):
                moved += len(piece)
                stage.write(piece)
        target.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(table, columns, columns, STAGE)
        )
    if choice.remove:
        target.execute(
            sql.SQL("DELETE FROM {} WHERE {} = ANY (%s)").format(table, key), [list(choice.remove)]
        )
    return moved


def _size(keys: Sequence[Key]) -> int:
    return sum(len(key) if isinstance(key, bytes) else len(str(key)) for key in keys)
