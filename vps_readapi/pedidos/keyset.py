"""Where an order stands in the list: the newest first, those without a date of creation last.

PostgreSQL's dates reach further than Python's and have two infinities, so a place counts microseconds
since 1970. SQL, the memory and the pages' links all sort by the same number.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Interval,
    Label,
    Row,
    Text,
    cast,
    extract,
    literal,
    literal_column,
)

PLACE = r"^(?:-?[0-9]{1,20}|n)\.[0-9]{1,10}$"
"""A place: microseconds since 1970, or `n` for no date, and an id. Every text of this form is one."""
MAX_INT4 = 2**31 - 1

_INFINITE_US = 10**19
_FIRST_US, _BEYOND_US = -210_866_803_200_000_000, 9_224_318_016_000_000_000
"""PostgreSQL's first instant, and where its instants end."""
_COUNTED_US = 2**63 - 1
"""Up to here, in the year 294247, it counts from 1970 exactly; a page must not begin before one ended."""
_Y2000_US = 946_684_800_000_000
"""What it counts from itself: from 1970 the last instants would be too many microseconds for an interval."""


@dataclass(frozen=True)
class Place:
    """An order's date of creation, in microseconds since 1970, or None; and its id."""

    created_us: int | None
    id: int

    @property
    def sort_key(self) -> tuple[int, ...]:
        """Return what sorts places as `NEWEST_FIRST` sorts rows."""
        return (int(self.created_us is None), -(self.created_us or 0), -self.id)


def select_instant(column: Column[Any]) -> Label[Any]:
    """Select what `find_place` needs: seconds since 1970, which may be infinite."""
    return extract("epoch", column).label("created_s")


def find_place(row: Row[Any]) -> Place:
    """Return where an order stands."""
    created_s: Decimal | None = row.created_s
    if created_s is None:
        return Place(None, row.id)
    if created_s.is_infinite():
        return Place(_INFINITE_US if created_s > 0 else -_INFINITE_US, row.id)
    return Place(min(int(created_s * 10**6), _COUNTED_US), row.id)


def write_place(place: Place) -> str:
    """Return the token of a place."""
    return f"{'n' if place.created_us is None else place.created_us}.{place.id}"


def read_place(token: str) -> Place:
    """Read a token that has the form."""
    created, _, number = token.partition(".")
    return Place(None if created == "n" else int(created), min(int(number), MAX_INT4))


def write_instant(created_us: int) -> ColumnElement[Any]:
    """Return a date of creation as PostgreSQL has it."""
    if created_us >= _BEYOND_US:
        return literal_column("'infinity'::timestamptz")
    if created_us < _FIRST_US:
        return literal_column("'-infinity'::timestamptz")
    since = cast(literal(f"{created_us - _Y2000_US} microseconds", Text), Interval)
    return literal_column("'2000-01-01 00:00:00+00'::timestamptz") + since
