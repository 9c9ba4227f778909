"""What the worker has to do, what it could not do, and what holds it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import TupleRow

from db.engines import Connection
from publications.watch.asking import ABSENT, SQL


@dataclass(frozen=True)
class HeldUp:
    """Why the worker makes no photo, by its own word."""

    cause: str
    since: datetime
    age_s: float
    waiting: int


@dataclass(frozen=True)
class Backlog:
    """What the worker has to do and what it could not do."""

    miniaturas_pending: int
    miniaturas: Mapping[str, int]
    """By estado."""
    miniaturas_refused: Mapping[str, int]
    """By motivo."""
    credenciais_pending: int
    dead_letters: Mapping[str, int]
    """By landing table."""
    unsynced: Mapping[str, int]
    """Passwords that can't be carried, by reason."""
    unfound: int = 0
    """So many of the newest photos, one after the other, have no file."""
    held_up: HeldUp | None = None
    """None while photos are made, or none waits."""


def read_backlog(conn: Connection) -> Backlog:
    """Count what waits; give up after a second, because others wait for this connection."""
    with conn.transaction():
        conn.execute("SET LOCAL statement_timeout = '1s'")
        pending, miniaturas, refused, credenciais, letters, unfound = _row(conn, "backlog")
        return Backlog(
            miniaturas_pending=pending,
            miniaturas=miniaturas,
            miniaturas_refused=refused,
            credenciais_pending=credenciais,
            dead_letters=letters,
            unfound=unfound,
            unsynced=_row(conn, "count_unsynced")[0] if _row(conn, "unsynced")[0] else {},
            held_up=_read_held_up(conn),
        )


def _read_held_up(conn: Connection) -> HeldUp | None:
    """Return why no photo is made; a savepoint, because an older database has no such table."""
    try:
        with conn.transaction():
            row = conn.execute(SQL["photos_held"]).fetchone()
    except ABSENT:
        return None
    return HeldUp(*row) if row and row[-1] else None


def _row(conn: Connection, block: LiteralString) -> TupleRow:
    row = conn.execute(SQL[block]).fetchone()
    assert row is not None  # noqa: S101  # each of these counts
    return row
