"""One look into SGP's file: what differs from what has landed, by key and digest."""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from db.sgp_file import quote_name, read_columns
from publications.declare.declaration import LandedTable
from publications.feeder.values import Stored, UnreadValueError, read_value

Digests = Mapping[int, bytes | None]
"""By key; None for a row that has landed and must be written whatever it holds."""
Row = tuple[Stored, ...]
Unchanged = dict[str, dict[int, int]]
"""By landing table and key: this process's own hash of a row whose digest was the one that has landed."""

_DIGEST_BYTES = 16
_PLAIN = 2
"""The last version of marshal that writes equal values equally."""


@dataclass
class Difference:
    """What is to be done with one landing table."""

    table: LandedTable
    columns: tuple[str, ...]
    """The key first."""
    written: dict[int, Row] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    """Of those."""
    gone: tuple[int, ...] = ()
    held: int = 0
    """How many rows had landed before."""
    present: int = 0
    """How many the file has."""
    keyless: frozenset[int] = frozenset()
    """Rows whose key is none, or another row's: a number made of the row stands for each."""


@dataclass(frozen=True)
class Look:
    """All tables at one instant."""

    differences: tuple[Difference, ...]
    missing: tuple[str, ...]
    """What is declared and not there, each as a word for people."""
    schema_version: int

    @property
    def is_whole(self) -> bool:
        """Tell whether every declared table could be read: only then does a beat tell the truth."""
        return not self.missing


def look(
    conn: sqlite3.Connection,
    tables: Sequence[LandedTable],
    known: Mapping[str, Digests],
    unchanged: Unchanged | None = None,
) -> Look:
    """Read each declared column of each declared table, and no other.

    unchanged: what former looks have left; a digest costs as much as all the rest, and most rows are as
    before.
    """
    memory = {} if unchanged is None else unchanged
    differences, missing = [], []
    for table in tables:
        lacking = find_missing(read_columns(conn, table.name.name), table)
        missing += lacking
        if not lacking:
            name = str(table.name)
            differences.append(_compare(conn, table, known.get(name, {}), memory.setdefault(name, {})))
    [[schema_version]] = conn.execute("PRAGMA schema_version").fetchall()
    return Look(tuple(differences), tuple(missing), schema_version)


def find_missing(there: Sequence[str], table: LandedTable) -> list[str]:
    """Name what of a table is not there. SQLite's names know no capitals."""
    if not there:
        return [f"table {table.name.name}"]
    lower = {name.lower() for name in there}
    return [f"column {table.name.name}.{name}" for name in order_columns(table) if name not in lower]


def order_columns(table: LandedTable) -> tuple[str, ...]:
    """Return the declared columns, the key first."""
    return ("id", *(name for name in table.columns if name != "id"))


def _compare(
    conn: sqlite3.Connection, table: LandedTable, known: Digests, unchanged: dict[int, int]
) -> Difference:
    columns = order_columns(table)
    names = ", ".join(map(quote_name, columns))
    query = f"SELECT {names} FROM {quote_name(table.name.name)}"  # noqa: S608  # declared names, quoted
    found = Difference(table, columns, held=len(known))
    seen: set[int] = set()
    keyless: set[int] = set()
    fresh = _begin_digest(columns)
    for row in conn.execute(query):
        plain, key = marshal.dumps(row, _PLAIN), read_key(row[0])
        if key is None or key in seen:
            keyless.add(int.from_bytes(_digest(fresh, plain)[:8], "big", signed=True))
            continue
        seen.add(key)
        quick = hash(plain)
        if unchanged.get(key) == quick and known.get(key) is not None:
            continue
        digest = _digest(fresh, plain)
        if known.get(key) == digest:
            unchanged[key] = quick
        else:
            unchanged.pop(key, None)
            found.written[key], found.digests[key] = row, digest
    found.present = len(seen)
    found.gone = tuple(key for key in known if key not in seen)
    found.keyless = frozenset(keyless)
    return found


def _begin_digest(columns: Sequence[str]) -> blake2b:
    """The columns' names are part of each digest: with others all rows are written anew."""
    return blake2b(" ".join(columns).encode(), digest_size=_DIGEST_BYTES)


def _digest(fresh: blake2b, plain: bytes) -> bytes:
    digest = fresh.copy()
    digest.update(plain)
    return digest.digest()


def read_key(value: Stored) -> int | None:
    """Return a key that landing can hold; None for one that it can't."""
    if type(value) is int and -(1 << 31) <= value < 1 << 31:
        return value
    try:
        key = read_value(value, "integer")
    except UnreadValueError:
        return None
    return key if isinstance(key, int) else None
