"""Read what PostgreSQL's pgoutput plugin writes, in the first version of its protocol. Pure.

Source: PostgreSQL's manual, "Logical Replication Message Formats". A value stays the text that the server
wrote; what it is worth is known at the end where it is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

PROTOCOL = "1"
_KEY = 1
_CHANGES = {b"I", b"U", b"D", b"T"}
_NULL, _UNCHANGED, _TEXT = b"nut"


class DecodingError(Exception):
    """These bytes are not what pgoutput writes."""


class Unchanged(Enum):
    """Stands for a large value that an UPDATE left as it was and that was therefore not written."""

    VALUE = "unchanged"


Value = str | None | Unchanged
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Relation:
    """A table as it is published: its columns in order, and those that name a row."""

    schema: str
    name: str
    columns: tuple[str, ...]
    identity: frozenset[str]


@dataclass(frozen=True)
class Begin:
    """The changes of a transaction follow."""

    commit_lsn: int


@dataclass(frozen=True)
class Commit:
    """They are complete. The slot may forget all before `end_lsn`."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True)
class Upsert:
    """A row was inserted or updated."""

    relation: Relation
    row: Row
    old: Row | None = None
    """What named it before, where that may have changed."""


@dataclass(frozen=True)
class Delete:
    """A row is gone."""

    relation: Relation
    old: Row


@dataclass(frozen=True)
class Truncate:
    """Tables were emptied."""

    relations: tuple[Relation, ...]


Event = Begin | Commit | Upsert | Delete | Truncate


class Decoder:
    """Turns messages into events; it remembers which table bears which number."""

    def __init__(self, *, after: int = 0) -> None:
        """after: the changes of what was committed up to there are nobody's business, and are not read."""
        self._relations: dict[int, Relation] = {}
        self._after = after
        self._is_due = True

    def decode(self, message: bytes) -> Event | None:  # noqa: PLR0911  # one short arm per kind
        """Return what one message says; None for one that only prepares others. Raise DecodingError."""
        if not self._is_due and message[:1] in _CHANGES:
            return None
        read = _Reader(message)
        match kind := read.char():
            case "B":
                began = Begin(read.number(">q8x4x"))
                self._is_due = began.commit_lsn > self._after
                return began
            case "C":
                return Commit(*read.numbers(">xqq8x"))
            case "R":
                self._relations[read.number(">I")] = _read_relation(message)
                return None
            case "I":
                relation = self._find(read.number(">I"))
                read.expect("N")
                return Upsert(relation, read.row(relation))
            case "U":
                return self._read_update(read)
            case "D":
                relation = self._find(read.number(">I"))
                read.expect("KO")
                return Delete(relation, read.row(relation))
            case "T":
                count, _ = read.numbers(">IB")
                return Truncate(tuple(self._find(read.number(">I")) for _ in range(count)))
            case "O" | "Y" | "M":
                return None
            case _:
                raise DecodingError(f"message of an unknown kind: {kind!r}")

    def _read_update(self, read: _Reader) -> Upsert:
        relation = self._find(read.number(">I"))
        old = None
        if read.expect("KON") != "N":
            old = read.row(relation)
            read.expect("N")
        return Upsert(relation, read.row(relation), old)

    def _find(self, number: int) -> Relation:
        try:
            return self._relations[number]
        except KeyError:
            raise DecodingError(f"table {number} was not described") from None


@lru_cache(maxsize=64)
def _read_relation(message: bytes) -> Relation:
    """Read what describes a table: with every look the same is told of it."""
    read = _Reader(message)
    read.numbers(">BI")
    schema, name = read.text(), read.text()
    _, count = read.numbers(">BH")
    columns = [_read_column(read) for _ in range(count)]
    identity = frozenset(column for column, flags in columns if flags & _KEY)
    return Relation(schema, name, tuple(column for column, _ in columns), identity)


def _read_column(read: _Reader) -> tuple[str, int]:
    flags, name = read.number(">B"), read.text()
    read.numbers(">Ii")
    return name, flags


class _Reader:
    """Takes one piece after the other from a message."""

    def __init__(self, message: bytes) -> None:
        self._message, self._at = message, 0

    def char(self) -> str:
        return chr(self.number(">B"))

    def expect(self, kinds: str) -> str:
        if (found := self.char()) not in kinds:
            raise DecodingError(f"{found!r} stands where one of {kinds!r} must")
        return found

    def number(self, layout: str) -> int:
        return self.numbers(layout)[0]

    def numbers(self, layout: str) -> tuple[int, ...]:
        try:
            found = struct.unpack_from(layout, self._message, self._at)
        except struct.error:
            raise DecodingError("the message ends early") from None
        self._at += struct.calcsize(layout)
        return found

    def text(self) -> str:
        end = self._message.find(b"\0", self._at)
        if end < 0:
            raise DecodingError("the message ends early")
        found = self._message[self._at : end].decode()
        self._at = end + 1
        return found

    def row(self, relation: Relation) -> dict[str, Value]:
        count = self.number(">H")
        if count != len(relation.columns):
            raise DecodingError(f"{relation.name} has {len(relation.columns)} columns, and {count} came")
        return dict(zip(relation.columns, self._values(count), strict=True))

    def _values(self, count: int) -> Iterator[Value]:
        """Yield a row's values. This is where decoding spends its time: no function a value."""
        message, at = self._message, self._at
        for _ in range(count):
            kind = message[at] if at < len(message) else None
            at += 1
            if kind == _TEXT:
                start = at + 4
                at = start + int.from_bytes(message[at:start])
                if at > len(message):
                    raise DecodingError("the message ends early")
                yield str(message[start:at], "utf-8")
            elif kind == _NULL:
                yield None
            elif kind == _UNCHANGED:
                yield Unchanged.VALUE
            else:
                raise DecodingError(f"{kind!r} stands where a value must")
        self._at = at
