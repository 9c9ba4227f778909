"""SGP's tables, empty."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal

from psycopg import sql

from .load import Connection

Variant = Literal["timestamp", "timestamptz"]


def create_schema(conn: Connection, *, variant: Variant = "timestamp") -> None:
    """Create SGP's types, tables and indexes in `public`, in one transaction.

    `variant` is the type of the order and image times; machines and print logs are timestamptz in both.
    """
    text = files(__package__).joinpath("schema.sql").read_text("utf-8")
    with conn.transaction():
        conn.execute(sql.SQL(text).format(stamp=sql.SQL(variant)))
