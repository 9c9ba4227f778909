"""The vitrine cluster as SQLAlchemy sees it: the window and the projection's own table.

The landing tables are not here: `ponte apply` makes them from the declaration, with SGP's own types.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, text

from db.window import define_window

SCHEMA = "projection"

metadata = MetaData()
window = define_window(metadata, received=False)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("landing", Text, primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("sqlstate", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("first_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    schema=SCHEMA,
)
