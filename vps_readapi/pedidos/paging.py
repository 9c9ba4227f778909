"""Pages that stay in place while orders come and go: each ends with where it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Row

from vps_readapi.database import Database, Rows
from vps_readapi.pedidos.keyset import MAX_INT4, Place, find_place
from vps_readapi.pedidos.queries import (
    PedidoFilter,
    find_nth,
    list_dated_after,
    list_pedidos,
    list_undated_after,
)

PAGE = 500
"""Orders read at a time where many are asked for."""


async def read_page(database: Database, wanted: PedidoFilter, place: Place, limit: int) -> Sequence[Row[Any]]:
    """Return the orders that follow a place; those without a date of creation are the last."""
    rows: list[Row[Any]] = []
    last = place.id
    if place.created_us is not None:
        rows += await database.fetch(list_dated_after(wanted, place, limit=limit))
        last = MAX_INT4
    if len(rows) < limit:
        rows += await database.fetch(list_undated_after(wanted, last, limit=limit - len(rows)))
    return rows


async def find_last(database: Database, wanted: PedidoFilter, *, skip: int, limit: int) -> Place | None:
    """Return where the last of so many orders stands; None if there are fewer."""
    row = await database.fetch_first(find_nth(wanted, skip + limit - 1))
    return None if row is None else find_place(row)


async def read_pages(
    database: Database, wanted: PedidoFilter, *, skip: int = 0, last: Place | None = None
) -> AsyncIterator[Rows]:
    """Yield orders in pages; each is read when the one before was taken.

    last: where the orders end; those that came to stand before it meanwhile are among them.
    """
    rows = await database.fetch(list_pedidos(wanted, skip=skip, limit=PAGE))
    while rows:
        kept = [row for row in rows if last is None or find_place(row).sort_key <= last.sort_key]
        yield kept
        if len(rows) < PAGE or len(kept) < len(rows):
            return
        rows = await read_page(database, wanted, find_place(rows[-1]), PAGE)
