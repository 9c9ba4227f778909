"""Compare SGP's tables with where they land: there is no versao yet, so a table has one sum of its rows."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from db.engines import Connection
from publications.declare.declaration import LandedTable
from publications.declare.names import TableName

PATIENCE = "SET LOCAL statement_timeout = '20s'"


def find_differing(source: Connection, target: Connection, tables: Iterable[LandedTable]) -> list[TableName]:
    """Return the tables that do not hold the same at both ends, by what is published of them.

    What is under way differs too, and so may a table that can't be read within 20 s.
    """
    return [
        table.name for table in tables if (held := _sum(target, table)) is None or held != _sum(source, table)
    ]


def _sum(conn: Connection, table: LandedTable) -> tuple[object, ...] | None:
    """Count and checksum a table, its values as text, as they are sent. None: it can't be read so."""
    values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(one)) for one in table.columns)
    query = sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(row({})::text, 0)::numeric), 0) FROM {}"
    ).format(values, sql.Identifier(table.name.schema, table.name.name))
    try:
        with conn.transaction():
            conn.execute(PATIENCE)
            return conn.execute(query).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.QueryCanceled):
        return None
