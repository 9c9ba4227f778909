"""Rows into tables, by COPY."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

Connection: TypeAlias = psycopg.Connection[Any]
Row = dict[str, object]


def copy_rows(conn: Connection, table: str, rows: Iterable[Row]) -> int:
    """Stream rows into one table and return how many; the first row's keys are the columns of all."""
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return 0
    columns = tuple(first)
    count = 0
    with conn.cursor() as cursor, cursor.copy(compose_copy(table, columns)) as copy:
        for count, row in enumerate(chain([first], iterator), start=1):  # noqa: B007
            copy.write_row([row[column] for column in columns])
    return count


def compose_copy(table: str, columns: Sequence[str]) -> sql.Composed:
    """Compose COPY … FROM STDIN for these columns."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("copy public.{} ({}) from stdin").format(sql.Identifier(table), names)


def advance_sequences(conn: Connection, tables: Iterable[str]) -> None:
    """Move each table's id sequence past the ids that COPY wrote, so that SGP's next INSERT is free."""
    statement = sql.SQL(
        "select setval(pg_get_serial_sequence({name}, 'id'), coalesce(max(id), 1), max(id) is not null)"
        " from {table}"
    )
    for table in tables:
        identifier = sql.Identifier("public", table)
        conn.execute(statement.format(name=sql.Literal(identifier.as_string(conn)), table=identifier))
