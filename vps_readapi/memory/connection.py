"""Opens the feed's session, and reads once in it what the feed begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from db.contract import WINDOW_CHANNEL
from vps_readapi.memory.sql import PREPARE_CONFIRM, PREPARE_PEOPLE, READ_EPOCH, SET_UP_SESSION

Session = psycopg.AsyncConnection[Any]


class FeedLostError(Exception):
    """The session is of no use any more."""


@dataclass(frozen=True)
class Life:
    """Which database this is, and from which transaction on its log says everything."""

    epoch: str
    horizon: int


async def open_session(conninfo: str) -> Session:
    """Return a session that says nothing yet. Raise psycopg.Error."""
    return await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        application_name="ponte-readapi-feed",
        client_encoding="utf8",
        connect_timeout=5,
    )


async def begin(session: Session) -> Life:
    """Listen, and prepare the two questions. Raise psycopg.Error, or FeedLostError without a change log."""
    await session.execute(SET_UP_SESSION)
    await session.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WINDOW_CHANNEL)))
    await session.execute(PREPARE_CONFIRM)
    await session.execute(PREPARE_PEOPLE)
    row = await (await session.execute(READ_EPOCH)).fetchone()
    if row is None:
        raise FeedLostError
    return Life(str(row[0]), int(row[1]))


async def read_snapshot(session: Session) -> str:
    """Return what is visible now, as PostgreSQL writes it."""
    row = await (await session.execute("SELECT pg_current_snapshot()::text")).fetchone()
    return str(row and row[0])


async def read_people(session: Session) -> object:
    """Return who may read, as the prepared question says it."""
    row = await (await session.execute("EXECUTE ponte_people")).fetchone()
    return row[0] if row else None
