"""The watch's sessions: they give up soon, so that one who hangs is noticed."""

from __future__ import annotations

from typing import LiteralString

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from db.bounded import BoundedConnection, believed
from db.engines import Connection, connect
from publications.watch.probe import probe

APPLICATION = "ponte-watch"
_LINK = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "6000",
    "options": "-c statement_timeout=2s -c lock_timeout=500ms",
}


def open_link(dsn: SecretStr, application: LiteralString = APPLICATION) -> Connection:
    """Open a session that gives up soon; the string's own keywords count, its options beside ours.

    Raise psycopg.Error, also for a server that answers as none does.
    """
    given = conninfo_to_dict(dsn.get_secret_value())
    probe(given)
    options = f"{_LINK['options']} {given.get('options') or ''}".strip()
    told = make_conninfo("", **{**_LINK, **given, "options": options})
    with believed():
        return connect(told, application=application, kind=BoundedConnection)


def close_link(conn: Connection | None) -> None:
    """Close it if there is one."""
    if conn is not None:
        conn.close()
