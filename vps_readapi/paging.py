"""Pages that stay in place while orders come and go: each ends with where it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from vps_readapi.database import Database
from vps_readapi.queries import MAX_INT4, PedidoFilter, Place, list_dated_after, list_undated_after

PLACE = r"^(?:-?[0-9]{1,17}|n)\.[0-9]{1,9}$"
"""A place: microseconds since 1970, or `n` for no date, and an id. Every text of this form is one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)


def write_place(row: Row[Any]) -> str:
    """Return the token of the place after an order."""
    created: datetime | None = row.data_criacao
    return f"{'n' if created is None else (created - _EPOCH) // timedelta(microseconds=1)}.{row.id}"


def read_place(token: str) -> Place:
    """Read a token that has the form."""
    created, _, number = token.partition(".")
    if created == "n":
        return Place(None, int(number))
    try:
        return Place(_EPOCH + timedelta(microseconds=int(created)), int(number))
    except OverflowError:  # before the year 1
        return Place(_FIRST, int(number))


async def read_page(database: Database, wanted: PedidoFilter, place: Place, limit: int) -> Sequence[Row[Any]]:
    """Return the orders that follow a place; those without a date of creation are the last."""
    rows: list[Row[Any]] = []
    last = place.id
    if place.data_criacao is not None:
        rows += await database.fetch(list_dated_after(wanted, place, limit=limit))
        last = MAX_INT4
    if len(rows) < limit:
        rows += await database.fetch(list_undated_after(wanted, last, limit=limit - len(rows)))
    return rows
