"""Pages that stay in place while orders come and go: each ends with where it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Row

from vps_readapi.database import Database, Rows
from vps_readapi.places import MAX_INT4, Place, find_place
from vps_readapi.queries import PedidoFilter, list_dated_after, list_pedidos, list_undated_after

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


async def read_pages(database: Database, wanted: PedidoFilter) -> AsyncIterator[Rows]:
    """Yield all orders, in pages; each is read when the one before was taken."""
    rows = await database.fetch(list_pedidos(wanted, limit=PAGE))
    while rows:
        yield rows
        if len(rows) < PAGE:
            return
        rows = await read_page(database, wanted, find_place(rows[-1]), PAGE)
