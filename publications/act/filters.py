"""Has a server word the declared row filters, as its catalog will show them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from db.engines import Connection
from db.errors import PonteError
from db.sqlfile import read_blocks
from publications.decide.filters import Filter, Filters
from publications.declare.declaration import Declaration
from publications.declare.names import TableName

_SQL = read_blocks("publications", "catalog")


class FilterError(PonteError):
    """A row filter that the server does not take."""


def normalise_filters(conn: Connection, declaration: Declaration, endpoint: str) -> Filters:
    """Let the server word each declared filter, in transactions that are rolled back.

    A filter on a table that is not there yet is left out.
    """
    return {
        (table, where): normal
        for table, where in _filters(declaration, endpoint)
        if (normal := _normalise(conn, table, where)) is not None
    }


def _filters(declaration: Declaration, endpoint: str) -> Iterable[tuple[TableName, str]]:
    for hop in declaration.publishing:
        if hop.source == endpoint:
            for table in hop.tables:
                if table.where:
                    yield table.name, table.where


def _normalise(conn: Connection, table: TableName, where: str) -> Filter | None:
    statement = sql.SQL("CREATE PUBLICATION ponte_probe FOR TABLE {} WHERE ({})").format(
        sql.Identifier(table.schema, table.name),
        sql.SQL(where),
    )
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement)
            row = conn.execute(_SQL["filter"]).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    except psycopg.Error as error:
        said = str(error).splitlines()[0].lower()
        raise FilterError(
            f"the server refuses the filter of {table}: {said}",
            "write it with the table's own columns, built-in types and immutable functions",
        ) from error
    return Filter(row[0], frozenset(row[1])) if row else None
