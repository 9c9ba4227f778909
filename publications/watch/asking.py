"""How the watch asks a database: its statements, and what an older one lacks."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from db.engines import Connection
from db.sqlfile import read_blocks

SQL = read_blocks("publications", "watch")
ABSENT = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
)


def row_if_any(conn: Connection, block: LiteralString) -> TupleRow | None:
    """Return what an older database, or one where a grant is missing, does not have."""
    try:
        return conn.execute(SQL[block]).fetchone()
    except ABSENT:
        return None
