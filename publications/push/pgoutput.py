"""Read what PostgreSQL's pgoutput plugin writes, in the first version of its protocol. Pure.

Source: PostgreSQL's manual, "Logical Replication Message Formats". A value stays the text that the server
wrote; what it is worth is known at the end where it is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

PROTOCOL = "1"
_KEY = 1


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

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, message: bytes) -> Event | None:  # noqa: PLR0911  # one short arm per kind
        """Return what one message says; None for one that only prepares others. Raise DecodingError."""
        read = _Reader(message)
        match kind := read.char():
            case "B":
                return Begin(read.number(">q8x4x"))
            case "C":
                return Commit(*read.numbers(">xqq8x"))
            case "R":
                number = read.number(">I")
                self._relations[number] = _read_relation(read)
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


def _read_relation(read: _Reader) -> Relation:
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
        for _ in range(count):
            match self.expect("nut"):
                case "n":
                    yield None
                case "u":
                    yield Unchanged.VALUE
                case _:
                    length = self.number(">I")
                    start, self._at = self._at, self._at + length
                    if self._at > len(self._message):
                        raise DecodingError("the message ends early")
                    yield self._message[start : self._at].decode()
