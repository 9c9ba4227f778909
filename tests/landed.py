"""How a test changes a row where SGP's rows land."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from db.engines import Connection

WAYS = ("changed alone", "changed by hand", "landed again")
"""By hand the projection is guarded: it reads the whole row again."""


def apply_as(conn: Connection, way: str = "changed alone") -> None:
    """Have the session write as apply does, unless it is somebody's own."""
    if way != "changed by hand":
        conn.execute("SET LOCAL session_replication_role = replica")


def begin_anew(conn: Connection, table: str) -> None:
    """Have the next row be projected as a transaction's first: most changes are the only one of theirs."""
    conn.execute("SELECT set_config('ponte.noted_' || %s::regclass::oid, '', true)", [f'public."{table}"'])


def update(conn: Connection, table: str, changes: Mapping[str, object]) -> None:
    begin_anew(conn, table)
    conn.execute(
        sql.SQL("UPDATE {} SET {}").format(
            sql.Identifier("public", table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changes
            ),
        ),
        changes,
    )
