"""Declared row filters as the server understands them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from publications.declare.declaration import PublishedTable
from publications.declare.names import TableName


@dataclass(frozen=True)
class Filter:
    """A declared row filter as the server understands it."""

    where: str
    """In the server's own wording."""
    columns: frozenset[str]


Filters = Mapping[tuple[TableName, str], Filter]
"""By table and declared wording."""


def find_where(table: PublishedTable, filters: Filters) -> str | None:
    """Return which rows of a table are sent, in the words of its server where they are known."""
    if table.where is None:
        return None
    known = filters.get((table.name, table.where))
    return known.where if known else table.where
