"""What a body comes to, by table: the last state of each key, as schema `push` takes it. Pure.

A body appears at once, so of several changes of one row only the last is anybody's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import ARRAY

from db.sync import Batch, Delete, SgpPedido, Truncate, Upsert
from db.tables import find_key
from db.window import define_window
from vps_readapi.ingest.printing import print_value
from vps_readapi.ingest.refusals import Reason, RefusalError
from vps_readapi.ingest.sgp import read_partial

WINDOW = define_window(MetaData(), received=False)
COLUMNS: Mapping[str, Mapping[str, bool]] = {
    name: {column.name: isinstance(column.type, ARRAY) for column in table.columns}
    for name, table in WINDOW.items()
}
"""Each window table's columns, and whether one is an array."""
DELETED = "deleted"


@dataclass
class Folded:
    """One table's part of a body."""

    key: str
    rows: dict[str, tuple[int, dict[str, str | None]]] = field(default_factory=dict)
    gone: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Keys with their place, and the newest version that the body had named by then."""
    emptied: bool = False
    emptied_seen: int | None = None

    def write(self, key: str, place: int, row: dict[str, str | None]) -> None:
        """A column that a later change does not name stays as the earlier one left it."""
        earlier = self.rows.get(key, (place, {}))[1]
        self.rows[key] = (place, earlier | row)
        self.gone.pop(key, None)

    def delete(self, key: str, place: int, seen: int | None) -> None:
        """Nothing that stood before is left of the row."""
        self.rows.pop(key, None)
        self.gone[key] = (place, seen)

    def empty(self, seen: int | None) -> None:
        """Nothing that stood before is left of the table."""
        self.rows.clear()
        self.gone.clear()
        self.emptied, self.emptied_seen = True, seen

    def describe(self) -> dict[str, Any]:
        """Return it as `push.take_tables` reads it."""
        said: dict[str, Any] = {"emptied": self.emptied_seen} if self.emptied else {}
        if self.gone:
            said["gone"] = [
                {"key": key, "at": at, "seen": seen} for key, (at, seen) in sorted(self.gone.items())
            ]
        if self.rows:
            rows = sorted(self.rows.items())
            said["rows"] = [row for _, (_, row) in rows]
            said["places"] = [place for _, (place, _) in rows]
        return said


@dataclass
class Folding:
    """A body's tables as they come together. Raises RefusalError that names the field that is wrong."""

    place: str = "{}"
    """Where in the body a change stands, by its number."""
    tables: dict[str, Folded] = field(default_factory=dict)
    seen: int | None = None
    ignored: Counter[str] = field(default_factory=Counter)

    def upsert(self, table: str, at: int, row: Mapping[str, str | None]) -> None:
        """Take a row that is new or other."""
        known = COLUMNS[table]
        self.ignored.update(f"{table}.{name}" for name in row if name not in known)
        folded = self._of(table)
        key = self._need(at, row, folded.key)
        versao = self._need_version(at, row)
        folded.write(key, at, {name: value for name, value in row.items() if name in known})
        self.seen = max(versao, self.seen or versao)

    def delete(self, table: str, at: int, key: str, *, seen: int | None) -> None:
        """Take a row that is gone."""
        self._of(table).delete(key, at, seen)

    def empty(self, table: str) -> None:
        """Take a table that is empty."""
        self._of(table).empty(self.seen)

    def delete_row(self, table: str, at: int, row: Mapping[str, str | None]) -> None:
        """Take a row that is gone, with the version up to which it is."""
        folded = self._of(table)
        folded.delete(self._need(at, row, folded.key), at, self._need_version(at, row))

    def wrong(self, at: int, *names: str) -> RefusalError:
        """Return the refusal that names a field of a change."""
        return RefusalError(Reason.INVALID, fields=[".".join([self.place.format(at), *names])])

    def describe(self) -> dict[str, Any]:
        """Return the tables as `push.take_tables` reads them."""
        return {name: folded.describe() for name, folded in sorted(self.tables.items())}

    def _of(self, table: str) -> Folded:
        return self.tables.setdefault(table, Folded(find_key(table)))

    def _need(self, at: int, row: Mapping[str, str | None], name: str) -> str:
        value = row.get(name)
        if value is None:
            raise self.wrong(at, name)
        return value

    def _need_version(self, at: int, row: Mapping[str, str | None]) -> int:
        versao = self._need(at, row, "versao")
        if not (versao.isascii() and versao.isdecimal() and len(versao) < 20):  # noqa: PLR2004  # a bigint
            raise self.wrong(at, "versao")
        return int(versao)


def fold_batch(batch: Batch) -> tuple[dict[str, Any], Counter[str]]:
    """Return what `push.take` takes, and what was ignored."""
    folding = Folding("changes.{}.row")
    for at, change in enumerate(batch.changes):
        if change.table not in COLUMNS:
            folding.ignored[change.table] += 1
            continue
        match change:
            case Upsert(table=table, row=row):
                folding.upsert(table, at, row)
            case Delete(table=table, key=key):
                folding.delete(table, at, key, seen=folding.seen)
            case Truncate(table=table):
                folding.empty(table)
    said = batch.model_dump(include={"source", "position", "after", "part", "last"})
    return said | {"seen": folding.seen, "tables": folding.describe()}, folding.ignored


def fold_list(
    table: str, rows: Sequence[SgpPedido | Mapping[str, Any]]
) -> tuple[dict[str, Any], Counter[str]]:
    """Return the same for a list of one table's whole rows, and of what SGP says of orders."""
    folding = Folding()
    partial = []
    for at, row in enumerate(rows):
        if isinstance(row, SgpPedido):
            partial.append(read_partial(row))
            continue
        printed = {name: _print(folding, at, table, name, value) for name, value in row.items()}
        if printed.pop(DELETED, None) == "true":
            folding.delete_row(table, at, printed)
        else:
            folding.upsert(table, at, printed)
    if partial:
        folding.tables.setdefault(table, Folded(find_key(table)))
    return {"tables": folding.describe(), "partial": partial}, folding.ignored


def _print(folding: Folding, at: int, table: str, name: str, value: Any) -> str | None:
    printed = print_value(value, array=COLUMNS[table].get(name, False))
    if printed is not None and "\0" in printed:
        raise folding.wrong(at, name)
    return printed
