"""Roles of ours, taken out of a server."""

from __future__ import annotations

from db.engines import Connection
from publications.ddl.statement import compose, name_of


def drop_role(conn: Connection, name: str) -> None:
    """Take its rights away with it: none of our roles owns anything of others."""
    conn.execute(compose("DROP OWNED BY {}", name_of(name)))
    conn.execute(compose("DROP ROLE {}", name_of(name)))
