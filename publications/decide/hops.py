"""From the declaration to which table goes where, and by what key."""

from __future__ import annotations

from db.tables import find_key
from publications.decide.filters import Filters, find_where
from publications.decide.spec import HopSpec
from publications.declare.declaration import Declaration, Options
from publications.declare.names import TableName


def key_of(table: TableName) -> str:
    """Return the key's column of a landing or window table."""
    return find_key(table.name)


def derive_hops(declaration: Declaration, filters: Filters) -> list[HopSpec]:
    """Return which table goes where."""
    return [
        HopSpec(
            source=hop.source,
            target=hop.target,
            subscription=hop.subscription,
            publications={table.name: table.publication for table in hop.tables},
            keys={table.name: key_of(table.name) for table in hop.tables},
            wheres={
                table.name: where for table in hop.tables if (where := find_where(table, filters)) is not None
            },
        )
        for hop in declaration.hops
    ]


def derive_options(options: Options) -> frozenset[tuple[str, str]]:
    """Return a subscription's options as the catalog's are read."""
    return frozenset((name, str(value).lower()) for name, value in options.model_dump().items())
