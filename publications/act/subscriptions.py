"""Read what a database subscribes to, and how far its copies have come."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.decide.spec import SubscriptionSpec
from publications.declare.names import TableName

_SQL = read_blocks("publications", "catalog")
_STREAMING = {"f": "off", "t": "on", "p": "parallel", "false": "off", "true": "on"}


def read_subscriptions(conn: Connection) -> dict[str, SubscriptionSpec]:
    """Return the database's own subscriptions by name."""
    return {row[0]: _subscription(row) for row in conn.execute(_SQL["subscriptions"])}


def _subscription(row: TupleRow) -> SubscriptionSpec:
    (
        name,
        slot,
        publications,
        conninfo,
        enabled,
        synchronous_commit,
        streaming,
        binary,
        disable,
        tables,
        copying,
    ) = row
    options = {
        ("synchronous_commit", synchronous_commit),
        ("streaming", _STREAMING[streaming]),
        ("binary", str(binary).lower()),
        ("disable_on_error", str(disable).lower()),
    }
    return SubscriptionSpec(
        name=name,
        slot=slot,
        publications=frozenset(publications),
        conninfo=frozenset((key, str(value)) for key, value in conninfo_to_dict(conninfo).items()),
        options=frozenset(options),
        enabled=enabled,
        tables=frozenset(map(TableName.parse, tables)),
        copying=frozenset(map(TableName.parse, copying)),
    )


def read_copying(conn: Connection, subscription: str) -> list[tuple[str, str, int, int]]:
    """Return the tables that are not in step yet: name, state, rows and bytes that the copy has read."""
    return conn.execute(_SQL["copying"], [subscription]).fetchall()


def read_sizes(conn: Connection, tables: Sequence[str]) -> dict[str, int]:
    """Return about how many rows each of these tables has, of those whose statistics say so."""
    return dict(conn.execute(_SQL["sizes"], [list(tables)]).fetchall())


def read_moved(conn: Connection, subscription: str) -> int:
    """Return up to where the workers that copy its tables have received, in bytes."""
    row = conn.execute(_SQL["moved"], [subscription]).fetchone()
    return row[0] if row else 0
