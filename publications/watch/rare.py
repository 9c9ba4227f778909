"""What is not read at every look: gaps, the last error, what logins hang on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from db.engines import Connection
from publications.watch.asking import ABSENT, SQL, row_if_any


@dataclass(frozen=True)
class LastError:
    """The last error of a database's subscription, as its server's log has it."""

    age_s: float
    sqlstate: str
    said: str | None
    """None where the words may quote a row."""


def read_offline_bound(conn: Connection) -> float | None:
    """Return for how many seconds people may log in without word; None where nobody told, or may not see."""
    row = row_if_any(conn, "offline_bound")
    return row[0] if row else None


def read_has_key(conn: Connection) -> bool | None:
    """Tell whether the API there can open the worker's passwords; None where that can't be seen."""
    row = row_if_any(conn, "has_key")
    return row[0] if row else None


def read_gaps(conn: Connection, block: LiteralString) -> int | None:
    """Return how many times changes were lost on the way here; None where that can't be seen."""
    row = row_if_any(conn, block)
    return row[0] if row else None


def read_last_error(conn: Connection, block: LiteralString) -> LastError | None:
    """Return what a subscription failed for last; None where its server's log does not tell."""
    try:
        row = conn.execute(SQL[block]).fetchone()
    except ABSENT:
        return None
    return LastError(*row) if row else None
