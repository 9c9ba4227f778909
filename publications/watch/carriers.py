"""How the feeder and each push fare, as the vitrine knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from db.engines import Connection
from publications.watch.asking import ABSENT, SQL, row_if_any


@dataclass(frozen=True)
class FeedState:
    """What the vitrine knows of the feeder, where SGP is a file."""

    sessions: int
    fault: str | None
    """Why its last look was not landed whole."""
    hint: str | None
    took_s: float | None
    """How long a look into the file takes."""
    unread_values: int
    """Rows with values that are none of their column's type."""


@dataclass(frozen=True)
class PushState:
    """What the vitrine knows of the push to one subscriber."""

    sessions: int
    fault_kind: str | None
    """Why nothing goes out, by the push's own word."""
    fault: str | None
    hint: str | None
    beat: int | None
    """The newest beat that arrived."""
    beat_at: datetime | None
    beat_arrived_at: datetime | None
    """By the vitrine's clock."""
    now: datetime
    quiet_s: float | None
    """Seconds since anything arrived; None if nothing ever did."""
    rows_copied: int | None
    """Of a first copy under way."""
    rows_to_copy: int | None

    @property
    def rows_left(self) -> int:
        """Return how many of a first copy are still to be sent."""
        return (self.rows_to_copy or 0) - (self.rows_copied or 0)


def read_feed(conn: Connection) -> FeedState | None:
    """Return how the feeder fares; None where `ponte migrate` or `ponte apply` was not there yet."""
    row = row_if_any(conn, "feed")
    return FeedState(*row) if row else None


def read_pushes(conn: Connection) -> dict[str, PushState]:
    """Return how each push fares; nothing where `ponte migrate` or `ponte apply` was not there yet."""
    try:
        return {name: PushState(*rest) for name, *rest in conn.execute(SQL["pushes"])}
    except ABSENT:
        return {}
