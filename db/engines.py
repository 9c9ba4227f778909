"""Connections to the three databases, always from a libpq connection string.

A connection string may hold any libpq keyword (`passfile`, `sslmode`, …) and what it leaves out comes
from the `PG*` variables, as with psql.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

_UTC: LiteralString = "SET TIME ZONE 'UTC'"
URL = "postgresql+psycopg://"

Connection = psycopg.Connection[TupleRow]


def connect(conninfo: str, *, application: LiteralString = "ponte", autocommit: bool = True) -> Connection:
    """Open one session, in UTC. Raise psycopg.OperationalError if the server can't be reached in 10 s.

    A connection string's own `connect_timeout` counts.
    """
    timeout_s = conninfo_to_dict(conninfo).get("connect_timeout") or 10
    connection = psycopg.connect(
        conninfo,
        autocommit=True,
        application_name=application,
        client_encoding="utf8",
        connect_timeout=timeout_s,
    )
    connection.execute(_UTC)
    connection.autocommit = autocommit
    return connection


def engine(conninfo: str) -> Engine:
    """Return a SQLAlchemy engine that keeps no pool: for commands and migrations."""
    return create_engine(
        URL, creator=lambda: connect(conninfo, autocommit=False), poolclass=NullPool, hide_parameters=True
    )


def async_engine(conninfo: str, *, pool_size: int, application: LiteralString) -> AsyncEngine:
    """Return an async engine with a fixed pool, in autocommit: for a server that only reads."""

    async def open_session() -> psycopg.AsyncConnection[TupleRow]:
        connection = await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, application_name=application, client_encoding="utf8", connect_timeout=5
        )
        await connection.execute(_UTC)
        return connection

    return create_async_engine(
        URL,
        async_creator=open_session,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )
