"""The SQL of the tables that Ponte makes: columns, triggers, identities and the notes on them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from publications.ddl.statement import Statement, compose, join, name_of, table_of
from publications.decide.changes import SetIdentity
from publications.decide.spec import (
    COPY,
    SWEEP,
    ColumnSpec,
    GapSpec,
    TableName,
    TableSpec,
    TriggerSpec,
    identity_index,
)


def define_column(column: ColumnSpec) -> sql.Composed:
    """Return a column as CREATE and ADD COLUMN take it."""
    template = "{} {} NOT NULL" if column.not_null else "{} {}"
    return compose(template, name_of(column.name), sql.SQL(column.type))


def create_table(table: TableSpec) -> list[Statement]:
    """Make a table with its triggers, and the row that it may have to have."""
    columns = join(map(define_column, table.columns.values()))
    key = join(map(name_of, table.key))
    statements = [
        compose("CREATE SCHEMA IF NOT EXISTS {}", name_of(table.table.schema)),
        compose("CREATE TABLE {} ({}, PRIMARY KEY ({}))", table_of(table.table), columns, key),
    ]
    for trigger in sorted(table.triggers, key=lambda trigger: trigger.name):
        statements += set_trigger(table.table, trigger)
    if table.filled:
        statements.append(start_heart(table.table))
    return statements


def start_heart(table: TableName) -> Statement:
    """Count from the clock, in seconds: whoever remembers an earlier heart's beats takes these for newer."""
    return compose(
        "INSERT INTO {} (id, beat, beat_at) VALUES (1, extract(epoch FROM now())::bigint, now())"
        " ON CONFLICT DO NOTHING",
        table_of(table),
    )


def set_trigger(table: TableName, trigger: TriggerSpec) -> list[Statement]:
    """Attach a trigger that fires whoever writes."""
    return [
        compose(
            "CREATE OR REPLACE TRIGGER {} {} ON {} FOR EACH {} EXECUTE FUNCTION {}()",
            name_of(trigger.name),
            sql.SQL(trigger.event),
            table_of(table),
            sql.SQL("STATEMENT" if trigger.event.endswith("TRUNCATE") else "ROW"),
            table_of(TableName.parse(trigger.function)),
        ),
        compose("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", table_of(table), name_of(trigger.name)),
    ]


def reproject(table: TableName) -> Statement:
    """Project all that a landing table holds."""
    return compose("SELECT projection.reproject({}::regclass)", table_of(table).as_string())


PENDING = "ponte: old rows are to be filled from the source"
TO_COPY = "ponte: to be copied again from the source"


def mark(table: TableName, column: str) -> Statement:
    """Note that a column, with `SWEEP` or `COPY` the table, waits for the source's rows."""
    return note(table, SWEEP, TO_COPY) if column == COPY else note(table, column, PENDING)


def note(table: TableName, column: str, text: str | None) -> Statement:
    """Note something on a column, or with `SWEEP` on the table; None takes the note away."""
    value = sql.NULL if text is None else sql.Literal(text)
    if column == SWEEP:
        return compose("COMMENT ON TABLE {} IS {}", table_of(table), value)
    return compose("COMMENT ON COLUMN {} IS {}", name_of(table.schema, table.name, column), value)


def note_gap(notes: TableName, gap: GapSpec) -> Statement:
    """Note that each table has been marked for what is missing."""
    return compose("UPDATE {} SET noted = true WHERE id <= {}", table_of(notes), sql.Literal(gap.up_to))


def close_gap(notes: TableName, gap: GapSpec | None) -> Statement:
    """Take away the notes of a gap, or all of them."""
    every = compose("DELETE FROM {}", table_of(notes))
    return every if gap is None else every + compose(" WHERE id <= {}", sql.Literal(gap.up_to))


def renew_versions(tables: Sequence[TableName], above: int) -> list[Statement]:
    """Give each row another version; unlike setval, RESTART is undone with its transaction."""
    restart = compose("ALTER SEQUENCE projection.versao_seq RESTART WITH {}", sql.Literal(above + 1))
    return [
        restart,
        *(compose("UPDATE {} SET versao = versao", table_of(table)) for table in tables),
    ]


def alter_type(table: TableName, column: ColumnSpec) -> Statement:
    """Give a column another type and its values with it."""
    type_ = sql.SQL(column.type)
    return compose(
        "ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}",
        table_of(table),
        name_of(column.name),
        type_,
        name_of(column.name),
        type_,
    )


def empty_columns(table: TableName, columns: Sequence[tuple[str, str]]) -> list[Statement]:
    """As replication writes: an ordinary session may not write a subscriber's tables."""
    pairs = [(name_of(name), sql.SQL(value)) for name, value in columns]
    return [
        compose("SET LOCAL session_replication_role = replica"),
        compose(
            "UPDATE {} SET {} WHERE {}",
            table_of(table),
            join(compose("{} = {}", *pair) for pair in pairs),
            sql.SQL(" OR ").join(compose("{} IS DISTINCT FROM {}", *pair) for pair in pairs),
        ),
    ]


def set_identity(change: SetIdentity) -> list[Statement]:
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
