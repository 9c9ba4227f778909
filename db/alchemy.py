"""SQLAlchemy's engines over our own connections, for migrations and for the API's questions."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db.engines import SET_UTC, connect

URL = "postgresql+psycopg://"


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
        await connection.execute(SET_UTC)
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
