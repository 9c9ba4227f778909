"""The ingest's session: one connection that is kept, and made anew where it broke."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from db.engines import SET_UTC
from vps_readapi.database import DatabaseTimeoutError

APPLICATION = "ponte-ingest"
CONNECT_S = 5
Rows = Sequence[TupleRow]


class Session:
    """Runs one statement at a time, each a transaction. An engine would cost more than the statement."""

    def __init__(self, dsn: str) -> None:
        """dsn: of the role `ponte_push`. The database need not be there."""
        self._dsn = dsn
        self._conn: psycopg.AsyncConnection[TupleRow] | None = None
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[Rows]] = set()

    async def fetch(
        self,
        query: LiteralString,
        given: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
        again: bool = True,
    ) -> Rows:
        """Return all rows. Raise psycopg.Error, DatabaseTimeoutError.

        again: whether another connection may be asked where the one that was kept turns out to be broken.
        The statement runs in a task of its own because a server that is stuck is not quick to cancel.
        """
        async with self._turn:
            task = asyncio.create_task(self._run(query, given, again=again))
            self._running.add(task)
            task.add_done_callback(self._forget)
            try:
                await asyncio.wait({task}, timeout=timeout_s)
            finally:
                if not task.done():
                    self._conn = None
                    task.cancel()
        if not task.done():
            raise DatabaseTimeoutError
        return task.result()

    async def close(self) -> None:
        """Let go."""
        if self._conn is not None:
            await self._conn.close()

    async def _run(self, query: LiteralString, given: Mapping[str, object] | None, *, again: bool) -> Rows:
        """Run it, once more where the connection had broken unnoticed: what was done is known by its id."""
        was_kept = self._conn is not None
        try:
            return await self._run_once(query, given)
        except psycopg.OperationalError:
            if not again or not was_kept or self._conn is not None:
                raise
            return await self._run_once(query, given)

    async def _run_once(self, query: LiteralString, given: Mapping[str, object] | None) -> Rows:
        conn = self._conn = self._conn or await self._connect()
        try:
            return await (await conn.execute(query, given)).fetchall()
        finally:
            if conn.broken:
                self._conn = None
            if conn is not self._conn:  # or whoever waited has given it up
                await conn.close()

    async def _connect(self) -> psycopg.AsyncConnection[TupleRow]:
        conn = await psycopg.AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            application_name=APPLICATION,
            client_encoding="utf8",
            connect_timeout=CONNECT_S,
        )
        await conn.execute(SET_UTC)
        return conn

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: an abandoned task's error is not logged with its parameters
