"""A fingerprint of what a database publishes, compared all the time by the services.

PostgreSQL loses changes without a word when a table leaves a publication, and from 18 on also when a
publication is missing; so what `ponte apply` left is written down and looked at again and again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from psycopg.sql import SQL, Composed

from db.engines import Connection
from db.sqlfile import read_blocks

_SQL = read_blocks("db", "published")


def read_fingerprint(conn: Connection) -> str:
    """Return 16 hexadecimal digits that change with columns, filters, operations and identities.

    Needs no privilege; equal across PostgreSQL 15 to 18.
    """
    return _digest(conn.execute(_SQL["published"]).fetchall())


def read_applied(conn: Connection, subscriber: str, endpoint: str) -> tuple[str | None, str | None, str]:
    """Ask, in a push's role and in one go, what `ponte apply` left, who pushes, and what is published."""
    given = {"subscriber": subscriber, "endpoint": endpoint}
    row = conn.execute(_ask_applied(), given).fetchone()
    applied, source, published = row or (None, None, "[]")
    rows = json.loads(published, object_pairs_hook=lambda pairs: tuple(value for _, value in pairs))
    return applied, source, _digest(rows)


@cache
def _ask_applied() -> Composed:
    return SQL(_SQL["applied"]).format(SQL(_SQL["published"].removesuffix(";")))


def _digest(rows: Sequence[tuple[Any, ...]]) -> str:
    return sha256(repr(list(rows)).encode()).hexdigest()[:16]


def write_applied(vitrine: Connection, endpoint: str, fingerprint: str) -> None:
    """Write down what `ponte apply` left on an endpoint."""
    vitrine.execute(_SQL["write_applied"], {"endpoint": endpoint, "fingerprint": fingerprint})


def write_seen(vitrine: Connection, endpoint: str, fingerprint: str) -> bool:
    """Write down what is published now; tell whether it still is what `ponte apply` left.

    Where nothing was ever applied there is nothing to compare: that is not as applied either.
    """
    row = vitrine.execute(_SQL["write_seen"], {"endpoint": endpoint, "fingerprint": fingerprint}).fetchone()
    return row is not None and bool(row[0])
