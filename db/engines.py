"""Connections to the three databases, always from a libpq connection string.

A connection string may hold any libpq keyword (`passfile`, `sslmode`, …) and what it leaves out comes
from the `PG*` variables, as with psql.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

SET_UTC: LiteralString = "SET TIME ZONE 'UTC'"

Connection = psycopg.Connection[TupleRow]


def connect(
    conninfo: str,
    *,
    application: LiteralString = "ponte",
    autocommit: bool = True,
    kind: type[Connection] = psycopg.Connection,
) -> Connection:
    """Open one session, in UTC. Raise psycopg.OperationalError if the server can't be reached in 10 s.

    A connection string's own `connect_timeout` counts. kind: which class of session.
    """
    timeout_s = conninfo_to_dict(conninfo).get("connect_timeout") or 10
    connection = kind.connect(
        conninfo,
        autocommit=True,
        application_name=application,
        client_encoding="utf8",
        connect_timeout=timeout_s,
    )
    try:
        connection.execute(SET_UTC)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection
