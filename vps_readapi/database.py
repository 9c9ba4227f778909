"""The one way to the database: a SELECT goes in, rows come out, and nobody waits long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Row, Select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.logs import log_event
from db.outage import Outage

FETCH_TIMEOUT_S = 10.0

T = TypeVar("T")
Rows = Sequence[Row[Any]]


class DatabaseTimeoutError(Exception):
    """The database did not answer in time."""


DATABASE_ERRORS = (SQLAlchemyError, psycopg.Error, DatabaseTimeoutError)
UNREACHABLE = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    DatabaseTimeoutError,
    psycopg.OperationalError,
)
"""Those that are raised while the database is away, starting, stopping or stuck."""

log = logging.getLogger(__name__)
_outage = Outage()
"""The log is the process's, and so is what has been said in it."""


def is_away(error: Exception) -> bool:
    """Tell whether it is one that goes by itself when the database is back."""
    return isinstance(error, UNREACHABLE) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def log_database_error(error: Exception) -> None:
    """Log what kind of error it was, at growing distance: its text may quote a row or a parameter."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = (type(cause).__name__, getattr(cause, "sqlstate", None))
    if _outage.fails(kind):
        log_event(
            log,
            "database_failed",
            level=logging.ERROR,
            error=kind[0],
            sqlstate=kind[1],
            failures=_outage.failures,
        )


class Bounded:
    """Waits for the database's answers, but for none too long."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def wait(self, asking: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Return what it returns. Raise DatabaseTimeoutError, or what it raises.

        It runs in a task of its own because cancelling it is not quick: with a server that is stuck, psycopg
        takes 10 s more. Whoever asked gets his answer without waiting for that.
        """
        task = asyncio.create_task(asking)
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=timeout_s)
        finally:
            task.cancel()
        if not task.done():
            raise DatabaseTimeoutError
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: an abandoned task's error is not logged with its parameters


class Database:
    """Runs SELECTs through an engine; what they may do is the role's rights."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._bounded = Bounded()

    async def fetch(self, statement: Select[Any], *, timeout_s: float = FETCH_TIMEOUT_S) -> Rows:
        """Return all rows. Raise DatabaseTimeoutError, or SQLAlchemyError for what the database says."""
        return await self._bounded.wait(self._run(statement), timeout_s)

    async def fetch_first(
        self, statement: Select[Any], *, timeout_s: float = FETCH_TIMEOUT_S
    ) -> Row[Any] | None:
        """Return the first row, if there is one; raise as `fetch`."""
        return next(iter(await self.fetch(statement, timeout_s=timeout_s)), None)

    async def _run(self, statement: Select[Any]) -> Rows:
        async with self._engine.connect() as connection:
            rows: Rows = (await connection.execute(statement)).all()
            return rows
