"""The feed's connection: opened, asked once what the feed begins with, then read as answers come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import pq, sql

from db.contract import WINDOW_CHANNEL
from vps_readapi.memory.notice import Told, read_notice
from vps_readapi.memory.sql import PREPARE_CONFIRM, PREPARE_PEOPLE, READ_EPOCH, SET_UP_CONNECTION

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

Connection = psycopg.AsyncConnection[Any]


class FeedLostError(Exception):
    """The connection is of no use any more."""


@dataclass(frozen=True)
class Life:
    """Which database this is, and from which transaction on its log says everything."""

    epoch: str
    horizon: int


async def open_connection(conninfo: str) -> Connection:
    """Return a connection that says nothing yet. Raise psycopg.Error."""
    return await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        application_name="ponte-readapi-feed",
        client_encoding="utf8",
        connect_timeout=5,
    )


async def begin(connection: Connection) -> Life:
    """Listen, and prepare the two questions. Raise psycopg.Error, or FeedLostError without a change log."""
    await connection.execute(SET_UP_CONNECTION)
    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WINDOW_CHANNEL)))
    await connection.execute(PREPARE_CONFIRM)
    await connection.execute(PREPARE_PEOPLE)
    row = await (await connection.execute(READ_EPOCH)).fetchone()
    if row is None:
        raise FeedLostError
    return Life(str(row[0]), int(row[1]))


async def read_snapshot(connection: Connection) -> str:
    """Return what is visible now, as PostgreSQL writes it."""
    row = await (await connection.execute("SELECT pg_current_snapshot()::text")).fetchone()
    return str(row and row[0])


async def read_people(connection: Connection) -> object:
    """Return who may read, as the prepared question says it."""
    row = await (await connection.execute("EXECUTE ponte_people")).fetchone()
    return row[0] if row else None


class FeedConnection:
    """A connection on which the prepared questions are asked without waiting; `heard` is called to take more.

    What it holds is taken with `take_answer` and `take_notices`, in this order: libpq reads only to a result.
    """

    def __init__(self, pgconn: PGconn, heard: Callable[[], None]) -> None:
        pgconn.nonblocking = 1
        self._pgconn = pgconn
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = pgconn.socket
        self._lost = asyncio.Event()
        self._why: Exception | None = None
        self._loop.add_reader(pgconn.socket, heard)

    def ask(self, name: bytes, *parameters: bytes) -> None:
        """Ask a prepared question. Raise psycopg.Error."""
        self._pgconn.send_query_prepared(name, parameters)
        self._pgconn.flush()

    def read(self) -> None:
        """Take from the socket what is there. Raise psycopg.Error."""
        self._pgconn.consume_input()

    def take_answer(self) -> list[bytes | None] | None:
        """Return the row that answers, None while it is not whole. Raise FeedLostError for anything else."""
        if self._pgconn.is_busy():
            return None
        result = self._pgconn.get_result()
        if result is None:
            return None
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise FeedLostError
        while self._pgconn.get_result() is not None:  # ends the command
            pass
        return [result.get_value(0, place) for place in range(result.nfields)]

    def take_notices(self) -> list[Told | None]:
        """Return what notifications say. Raise FeedLostError if the connection has ended."""
        notices = []
        while (notice := self._pgconn.notifies()) is not None:
            notices.append(read_notice(notice.extra))
        if self._pgconn.status != pq.ConnStatus.OK:
            raise FeedLostError
        return notices

    def lose(self, why: Exception | None = None) -> None:
        """Hear no more of it, and let whoever waits for its end know."""
        self._why = self._why or why
        self._lost.set()
        if self._descriptor is not None:  # once: the socket may be closed by now, and its number another's
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None

    async def wait_lost(self) -> Exception:
        """Return why it was lost, once it is."""
        await self._lost.wait()
        return self._why or FeedLostError("the connection ended")
