"""The notes that Ponte leaves on tables and columns, so that a killed apply finds its work again. Pure."""

from __future__ import annotations

from psycopg import sql

from publications.ddl.statement import Statement, compose, name_of, table_of
from publications.decide.spec import COPY, SWEEP
from publications.declare.names import TableName

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
