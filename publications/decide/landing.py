"""From the declaration to the tables that apply makes: the heartbeat, and where SGP's rows land."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from db.intranet.landing import LANDING_COLUMNS, LANDING_TYPES
from db.tables import CLEANING
from publications.decide.source import SourceColumn, SourceTables
from publications.decide.spec import ColumnSpec, TableSpec, TriggerSpec
from publications.declare.declaration import Declaration, LandedTable
from publications.declare.names import HEARTBEAT, TableName

_HEARTBEAT_COLUMNS = (
    ColumnSpec("id", "smallint", not_null=True),
    ColumnSpec("beat", "bigint", not_null=True),
    ColumnSpec("beat_at", "timestamp with time zone"),
)


def derive_tables(
    declaration: Declaration, endpoint: str, source: SourceTables
) -> dict[TableName, TableSpec]:
    """Return what apply makes on an endpoint, by name."""
    intake = declaration.intake
    if endpoint == intake.source:
        return {HEARTBEAT: replace(_table(HEARTBEAT, _HEARTBEAT_COLUMNS), filled=True)}
    if endpoint == intake.target:
        return {table.name: _landing(table, source) for table in intake.tables}
    return {}


def assume_source(columns: Mapping[TableName, Iterable[str]]) -> SourceTables:
    """Give the columns of SGP's file the types that SGP's own tables have on PostgreSQL."""
    return {table: {name: _typed_column(table, name) for name in names} for table, names in columns.items()}


def _typed_column(table: TableName, column: str) -> SourceColumn:
    known = LANDING_TYPES.get(str(table), {})
    return SourceColumn(known.get(column, "text"), built_in=True, in_key=column == "id")


def _landing(table: LandedTable, source: SourceTables) -> TableSpec:
    """Shape a landing table: SGP's names and types, enums and limited text as text, NOT NULL only the key."""
    given = source.get(table.name, {column.name: _built_in(column) for column in _HEARTBEAT_COLUMNS})
    wanted = dict.fromkeys((*LANDING_COLUMNS.get(str(table.name), ()), *table.columns))
    columns = [_landing_column(column, given.get(column)) for column in wanted]
    cleans = CLEANING.get(str(table.name))
    return _table(
        table.name,
        columns,
        *([TriggerSpec("clean", cleans, event="BEFORE INSERT OR UPDATE", projects=True)] if cleans else []),
        TriggerSpec("land", "projection.land", event="BEFORE INSERT"),
        TriggerSpec("project", f"projection.{table.projection}", projects=True),
        TriggerSpec("truncate", "projection.project_truncate", event="AFTER TRUNCATE"),
    )


def _built_in(column: ColumnSpec) -> SourceColumn:
    return SourceColumn(column.type, built_in=True, in_key=column.name == "id")


def _landing_column(name: str, source: SourceColumn | None) -> ColumnSpec:
    if source is None or not source.built_in or source.type == "character varying":
        return ColumnSpec(name, "text")
    return ColumnSpec(name, source.type, not_null=source.in_key)


def _table(name: TableName, columns: Iterable[ColumnSpec], *triggers: TriggerSpec) -> TableSpec:
    return TableSpec(name, {column.name: column for column in columns}, ("id",), frozenset(triggers))
