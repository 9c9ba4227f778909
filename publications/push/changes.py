"""From what pgoutput tells to batches on the wire: whole transactions together, large ones in parts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from db.sync import Change, Delete, Truncate, Upsert
from db.tables import find_key
from publications.push import pgoutput
from publications.push.pgoutput import Begin, Commit, Event, Relation, Unchanged
from publications.push.published import Published

COLUMN_BYTES = 12
"""About what a value costs beside itself: quotes, comma, colon, its column's name."""
Texts = Mapping[str, str | None]
FindRow = Callable[[Relation, str], Texts | None]
"""Reads a row by its key as it is published now; None if it is gone or no longer leaves."""


@dataclass(frozen=True)
class Piece:
    """What one request carries."""

    changes: list[Change]
    commit_lsn: int
    """Of the last transaction in it, whether it is complete or not."""
    end_lsn: int | None
    """The slot may forget all before, once it arrived; None as long as more of the transaction follows."""
    part: int = 0

    @property
    def last(self) -> bool:
        """Tell whether the transaction is complete."""
        return self.end_lsn is not None


def print_lsn(lsn: int) -> str:
    """Write a place in the WAL as PostgreSQL does."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """Read what PostgreSQL writes."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def key_of(relation: Relation) -> str:
    """Return the column that names a window table's row."""
    return find_key(relation.name)


def translate(event: Event, find_row: FindRow) -> Iterator[Change]:
    """Yield what an event changes at the receiver.

    A large value that an UPDATE left alone is not in the WAL, and the receiver can't be counted on to have
    it: the row is read again, and goes out as it is now, with the version that it has now. If it is gone,
    what took it away follows.
    """
    if isinstance(event, pgoutput.Upsert):
        yield from _upsert(event, find_row)
    elif isinstance(event, pgoutput.Delete):
        yield _delete(event.relation, event.old)
    elif isinstance(event, pgoutput.Truncate):
        for relation in event.relations:
            yield Truncate.model_construct(table=relation.name)


def _upsert(event: pgoutput.Upsert, find_row: FindRow) -> Iterator[Change]:
    relation, key = event.relation, key_of(event.relation)
    if event.old is not None and event.old[key] != event.row[key]:
        yield _delete(relation, event.old)
    row = {name: value for name, value in event.row.items() if value is not Unchanged.VALUE}
    if len(row) == len(event.row):
        yield Upsert.model_construct(table=relation.name, row=row)
    elif (found := find_row(relation, _text(event.row, key))) is not None:
        yield Upsert.model_construct(table=relation.name, row=found)


def _delete(relation: Relation, old: pgoutput.Row) -> Delete:
    return Delete.model_construct(table=relation.name, key=_text(old, key_of(relation)))


def _text(row: pgoutput.Row, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise pgoutput.DecodingError(f"a row came without its key {column}")
    return value


def weigh(change: Change) -> int:
    """Return about how many bytes a change takes on the wire."""
    values = change.row.values() if isinstance(change, Upsert) else ()
    return 60 + sum(COLUMN_BYTES + len(value or "null") for value in values)


@dataclass
class _Gathering:
    """What is gathered and not yet sent."""

    limit_bytes: int
    changes: list[Change] = field(default_factory=list)
    n_bytes: int = 0
    whole: tuple[int, int] | None = None
    """Where the last complete transaction among them was committed, and ended."""
    n_whole: int = 0
    """So many of the changes belong to complete ones."""
    part: int = 0

    def add(self, change: Change) -> None:
        self.changes.append(change)
        self.n_bytes += weigh(change)

    def take_whole(self) -> Iterator[Piece]:
        """Give what is complete, and keep the rest."""
        if self.whole is None:
            return
        yield Piece(self.changes[: self.n_whole], *self.whole, self.part)
        self.changes = self.changes[self.n_whole :]
        self.n_bytes = sum(map(weigh, self.changes))
        self.whole, self.n_whole, self.part = None, 0, 0

    def take_part(self, commit_lsn: int) -> Iterator[Piece]:
        """Give what there is of a transaction that is not complete."""
        yield Piece(self.changes, commit_lsn, None, self.part)
        self.changes, self.n_bytes = [], 0
        self.part += 1


def gather(events: Iterable[Event], find_row: FindRow, *, after: int, limit_bytes: int) -> Iterator[Piece]:
    """Yield pieces of about `limit_bytes`, in order. after: what was committed up to there has arrived."""
    gathering = _Gathering(limit_bytes)
    commit_lsn = 0
    for event in events:
        if isinstance(event, Begin):
            commit_lsn = event.commit_lsn
        elif commit_lsn <= after:
            continue
        elif isinstance(event, Commit):
            gathering.whole = (event.commit_lsn, event.end_lsn)
            gathering.n_whole = len(gathering.changes)
            if gathering.part or gathering.n_bytes >= limit_bytes:
                yield from gathering.take_whole()
        else:
            for change in translate(event, find_row):
                gathering.add(change)
                if gathering.n_bytes >= limit_bytes:
                    yield from gathering.take_whole()
                if gathering.n_bytes >= limit_bytes:
                    yield from gathering.take_part(commit_lsn)
    yield from gathering.take_whole()


def cut_copy(
    tables: Iterable[Published], rows: Iterable[tuple[Published, Texts]], position: int, limit_bytes: int
) -> Iterator[Piece]:
    """Yield the parts of one batch that puts these rows in place of whatever the receiver has."""
    held: list[Change] = [Truncate.model_construct(table=one.table.name) for one in tables]
    n_bytes = part = 0
    for one, row in rows:
        if n_bytes >= limit_bytes:
            yield Piece(held, position, None, part)
            held, n_bytes, part = [], 0, part + 1
        held.append(Upsert.model_construct(table=one.table.name, row=row))
        n_bytes += weigh(held[-1])
    yield Piece(held, position, position, part)
