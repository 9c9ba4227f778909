"""The heartbeat as one database has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

import psycopg

from db.engines import Connection
from publications.watch.asking import SQL


@dataclass(frozen=True)
class Beat:
    """The heartbeat row as one database has it."""

    beat: int
    beat_at: datetime | None
    arrived_at: datetime | None
    """By that database's clock; None at the source."""
    now: datetime
    """The same clock, when it was read."""


def read_beat(conn: Connection, block: LiteralString) -> tuple[Beat | None, bool]:
    """Read the newest beat and whether it is locked; a lock must not look like a server that is away."""
    try:
        row = conn.execute(SQL[block]).fetchone()
    except psycopg.errors.LockNotAvailable:
        return None, True
    except psycopg.errors.UndefinedTable:
        return None, False
    return Beat(*row) if row else None, False
