"""The landing tables' columns, from the window that is made of them: what SGP names and the projection reads.

`ponte apply` makes the tables, with SGP's own types where its server can be asked.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Integer

from db.intranet.models import window

_WINDOW = {"public.pedidos": "pedidos", "public.pedido_imagens": "imagens", "public.user": "usuarios"}
_MADE_HERE = frozenset({"estado_cliente", "avisos", "versao"})
"""Columns of the window that SGP has not: the projection makes them."""
_READ_BESIDE = {"public.pedido_imagens": ("path",)}
"""Columns of SGP's that are read and not shown."""
_TYPES = {Integer: "integer", Boolean: "boolean", DateTime: "timestamp without time zone"}
"""What SGP's server has for a type of the window's; all else is text there."""


def _landed(table: str) -> list[Column[Any]]:
    return [column for column in window[table].columns if column.name not in _MADE_HERE]


LANDING_COLUMNS: dict[str, tuple[str, ...]] = {
    **{
        landing: (*(column.name for column in _landed(table)), *_READ_BESIDE.get(landing, ()))
        for landing, table in _WINDOW.items()
    },
    "public.revoked_tokens": ("id", "expires_at"),
    "ponte.heartbeat": ("id", "beat", "beat_at"),
}
"""The columns that the projection reads: a landing table has them even when SGP does not send them."""

LANDING_TYPES: dict[str, dict[str, str]] = {
    **{
        landing: {
            column.name: _TYPES[type(column.type)] for column in _landed(table) if type(column.type) in _TYPES
        }
        for landing, table in _WINDOW.items()
    },
    "public.revoked_tokens": {"id": "integer"},
}
"""The columns that are no text where SGP runs on PostgreSQL: SQLite has no types that would tell."""
