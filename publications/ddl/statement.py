"""How statements are put together: names quoted, values as literals. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from publications.declare.names import TableName

Statement = sql.Composed


def compose(template: str, *parts: sql.Composable | str) -> Statement:
    """Put parts into a template of this package; text becomes a literal."""
    return sql.SQL(template).format(
        *(part if isinstance(part, sql.Composable) else sql.Literal(part) for part in parts)
    )


def name_of(*names: str) -> sql.Identifier:
    """Quote a name."""
    return sql.Identifier(*names)


def table_of(name: TableName) -> sql.Identifier:
    """Quote a table's name."""
    return sql.Identifier(name.schema, name.name)


def join(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Put commas between parts."""
    return sql.SQL(", ").join(parts)
