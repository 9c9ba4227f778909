"""Which migration a database is at, compared with those that this program knows."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import LiteralString

import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql

from db.engines import Connection
from db.errors import PonteError
from db.migrate import History, NewerDatabaseError, describe_routines

_READ: LiteralString = "SELECT version_num FROM {}"


class VersionError(PonteError):
    """A database's tables are not those of this program's version."""


@cache
def list_versions(history: History) -> tuple[str, ...]:
    """Return the versions that this program knows, the newest first."""
    script = ScriptDirectory(str(files(f"db.{history.value}").joinpath("migrations")))
    return tuple(one.revision for one in script.walk_revisions())


def read_version(connection: Connection, history: History) -> str | None:
    """Return the database's version; None where nothing was ever migrated."""
    table = sql.Identifier(_schema(history), "alembic_version")
    try:
        row = connection.execute(sql.SQL(_READ).format(table)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return row[0] if row else None


def refuse_newer(connection: Connection, history: History, name: str) -> None:
    """Raise NewerDatabaseError for a database at a migration that is unknown here. name: the database's."""
    found, known = read_version(connection, history), list_versions(history)
    if found is not None and found not in known:
        raise NewerDatabaseError(
            f"{name} is at migration {found}, and this Ponte knows {', '.join(reversed(known))}",
            "install the version of Ponte that migrated it, or a newer one; no version goes back",
        )


def require_newest(connection: Connection, history: History, name: str) -> None:
    """Raise VersionError, or NewerDatabaseError, unless it is as this program's migrations leave it."""
    refuse_newer(connection, history, name)
    found, newest = read_version(connection, history), list_versions(history)[0]
    if found is None:
        raise VersionError(f"{name} was never migrated", "run 'ponte migrate'")
    if found != newest:
        raise VersionError(f"{name} is at migration {found} and should be at {newest}", "run 'ponte migrate'")
    if _read_routines(connection, history) != describe_routines(history):
        raise VersionError(f"{name} has the functions of another version of Ponte", "run 'ponte migrate'")


def _read_routines(connection: Connection, history: History) -> str | None:
    query = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
    row = connection.execute(query, [_schema(history)]).fetchone()
    return row[0] if row else None


def _schema(history: History) -> str:
    schema: str = import_module(f"db.{history.value}.models").SCHEMA
    return schema
