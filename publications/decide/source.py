"""SGP's columns: as its server has them, or as a file of its would have them there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from db.intranet.landing import LANDING_TYPES
from publications.declare.names import TableName


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it."""

    type: str
    built_in: bool
    in_key: bool = False


SourceTables = Mapping[TableName, Mapping[str, SourceColumn]]


def assume_source(columns: Mapping[TableName, Iterable[str]]) -> SourceTables:
    """Give the columns of SGP's file the types that SGP's own tables have on PostgreSQL."""
    return {table: {name: _typed_column(table, name) for name in names} for table, names in columns.items()}


def _typed_column(table: TableName, column: str) -> SourceColumn:
    known = LANDING_TYPES.get(str(table), {})
    return SourceColumn(known.get(column, "text"), built_in=True, in_key=column == "id")
