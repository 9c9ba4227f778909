"""The SQL of the tables that Ponte makes: columns, triggers and identities. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from publications.ddl.acts import Act, Together
from publications.ddl.statement import Statement, compose, given_sql, join, name_of, table_of
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    CreateTable,
    SetIdentity,
    SetTrigger,
    StartHeart,
    TableStep,
)
from publications.decide.spec import ColumnSpec, TableSpec, TriggerSpec, identity_index
from publications.declare.names import TableName


def table_to_sql(step: TableStep) -> list[Act]:
    """Return what makes a table, or makes it fit."""
    match step:
        case CreateTable(table=made):
            return [Together(tuple(_create_table(made)))]
        case StartHeart(table=table):
            return [_start_heart(table)]
        case AddColumn(table=table, column=column):
            return [compose("ALTER TABLE {} ADD COLUMN {}", table_of(table), _define_column(column))]
        case AlterColumnType(table=table, column=column):
            return [_alter_type(table, column)]
        case SetIdentity():
            return [*_set_identity(step)]
        case SetTrigger(table=table, trigger=trigger):
            missed = [_reproject(table)] if trigger.projects else []
            return [Together((*_set_trigger(table, trigger), *missed))]
        case _:
            assert_never(step)


def _define_column(column: ColumnSpec) -> sql.Composed:
    """Return a column as CREATE and ADD COLUMN take it."""
    template = "{} {} NOT NULL" if column.not_null else "{} {}"
    return compose(template, name_of(column.name), given_sql(column.type))


def _create_table(table: TableSpec) -> list[Statement]:
    """Make a table with its triggers, and the row that it may have to have."""
    columns = join(map(_define_column, table.columns.values()))
    key = join(map(name_of, table.key))
    statements = [
        compose("CREATE SCHEMA IF NOT EXISTS {}", name_of(table.table.schema)),
        compose("CREATE TABLE {} ({}, PRIMARY KEY ({}))", table_of(table.table), columns, key),
    ]
    for trigger in sorted(table.triggers, key=lambda trigger: trigger.name):
        statements += _set_trigger(table.table, trigger)
    if table.filled:
        statements.append(_start_heart(table.table))
    return statements


def _start_heart(table: TableName) -> Statement:
    """Count from the clock, in seconds: whoever remembers an earlier heart's beats takes these for newer."""
    return compose(
        "INSERT INTO {} (id, beat, beat_at) VALUES (1, extract(epoch FROM now())::bigint, now())"
        " ON CONFLICT DO NOTHING",
        table_of(table),
    )


def _set_trigger(table: TableName, trigger: TriggerSpec) -> list[Statement]:
    """Attach a trigger that fires whoever writes."""
    return [
        compose(
            "CREATE OR REPLACE TRIGGER {} {} ON {} FOR EACH {} EXECUTE FUNCTION {}()",
            name_of(trigger.name),
            given_sql(trigger.event),
            table_of(table),
            sql.SQL("STATEMENT" if trigger.event.endswith("TRUNCATE") else "ROW"),
            table_of(TableName.parse(trigger.function)),
        ),
        compose("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", table_of(table), name_of(trigger.name)),
    ]


def _reproject(table: TableName) -> Statement:
    """Project all that a landing table holds."""
    return compose("SELECT projection.reproject({}::regclass)", table_of(table).as_string())


def _alter_type(table: TableName, column: ColumnSpec) -> Statement:
    """Give a column another type and its values with it."""
    type_ = given_sql(column.type)
    return compose(
        "ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}",
        table_of(table),
        name_of(column.name),
        type_,
        name_of(column.name),
        type_,
    )


def _set_identity(change: SetIdentity) -> list[Statement]:
    """Name rows by the key, or by an index that holds more; the old index goes when nothing needs it."""
    table = change.table
    extra = sorted(change.identity.columns - {change.key})
    old = (
        [compose("DROP INDEX IF EXISTS {}", name_of(table.schema, change.was.index))]
        if change.was.index
        else []
    )
    if not extra:
        return [compose("ALTER TABLE {} REPLICA IDENTITY DEFAULT", table_of(table)), *old]
    index = identity_index(table, change.identity.columns, change.key)
    columns = join(map(name_of, (change.key, *extra)))
    return [
        compose("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({})", name_of(index), table_of(table), columns),
        compose("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", table_of(table), name_of(index)),
        *(old if change.was.index != index else []),
    ]
