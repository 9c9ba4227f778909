"""Orders with their photos by one statement, on connections of its own, where it stays prepared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import make_url

from db.alchemy import URL
from vps_readapi.database import FETCH_TIMEOUT_S, Bounded
from vps_readapi.memory.readings import READERS
from vps_readapi.memory.sql import SET_UP_CONNECTION
from vps_readapi.pedidos.queries import find_whole

CONNECTIONS = READERS + 1
"""The list's is one more: it is read in larger pieces."""

Connection = psycopg.AsyncConnection[Any]


class PreparedReads:
    """Reads orders without a pool: being given a connection that lives costs more than being given rows."""

    def __init__(self, conninfo: str, *, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        self._conninfo = conninfo
        self._timeout_s = timeout_s
        self._bounded = Bounded()
        self._room = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[Connection] = []
        compiled = find_whole().compile(dialect=make_url(URL).get_dialect()())
        self._statement = str(compiled).encode()
        self._constants = dict(compiled.params)

    async def read(self, pedido_ids: Sequence[int]) -> Sequence[Any]:
        """Return the rows of those that exist. Raise DatabaseTimeoutError or psycopg.Error."""
        return await self._bounded.wait(self._read(list(pedido_ids)), self._timeout_s)

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            await self._idle.pop().close()

    async def _read(self, pedido_ids: list[int]) -> Sequence[Any]:
        """Read on a connection that is there; on a new one where that turns out to be of no use any more."""
        async with self._room:
            while self._idle:
                connection = self._idle.pop()
                try:
                    return await self._ask(connection, pedido_ids)
                except (psycopg.OperationalError, psycopg.errors.FeatureNotSupported):
                    pass  # it was lost, or a column has another type now than when the statement was prepared
            return await self._ask(await self._open(), pedido_ids)

    async def _open(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo,
            autocommit=True,
            application_name="ponte-readapi-orders",
            client_encoding="utf8",
            connect_timeout=5,
            row_factory=namedtuple_row,
        )
        await connection.execute(SET_UP_CONNECTION)
        return connection

    async def _ask(self, connection: Connection, pedido_ids: list[int]) -> Sequence[Any]:
        parameters = self._constants | {"pedido_ids": pedido_ids}
        try:
            cursor = await connection.execute(self._statement, parameters, prepare=True)
            rows = await cursor.fetchall()
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)
        return rows
