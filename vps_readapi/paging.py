"""Pages that stay in place while orders come and go: each ends with where it ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from vps_readapi.database import Database
from vps_readapi.queries import MAX_INT4, PedidoFilter, Place, list_dated_after, list_undated_after


def write_place(row: Row[Any]) -> str:
    """Return the token of the place after an order."""
    created = "" if row.data_criacao is None else row.data_criacao.isoformat()
    return base64.urlsafe_b64encode(f"{created}|{row.id}".encode()).rstrip(b"=").decode()


def read_place(token: str) -> Place:
    """Read a token. Raise ValueError if it is none of ours."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("no place") from error
    created, bar, number = text.partition("|")
    if not bar or not (number.isdecimal() and int(number) <= MAX_INT4):
        raise ValueError("no place")
    at = datetime.fromisoformat(created) if created else None
    if at is not None and at.tzinfo is None:
        raise ValueError("no place")
    return Place(at, int(number))


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
