"""Run the two Alembic histories, `intranet` (the vitrine cluster) and `vps`, and install their routines.

Tables migrate, a step at a time. Functions and triggers are each defined once, in the `.sql` files of
`db/<history>/sql`, and every run installs all of them again: so a database that was upgraded has what a new
one has. What former versions installed and these files no longer name goes. A function whose arguments or
result change is dropped by a migration first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from importlib.resources import files
from typing import LiteralString

import psycopg
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from db.alchemy import engine
from db.errors import PonteError
from db.sqlfile import read_sql

LOCK_TIMEOUT: LiteralString = "SET LOCAL lock_timeout = '3s'"
"""Readers and apply queue behind whoever waits for a table; so long and no longer."""

_ENCODING: LiteralString = (
    "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
)


class EncodingError(PonteError):
    """A database that can't hold what SGP writes."""


class MigrationLockError(PonteError):
    """Somebody holds a table that has to be changed."""


class NewerDatabaseError(PonteError):
    """A database that another version of Ponte migrated."""


class History(StrEnum):
    """One database's sequence of migrations; the value is its package below `db`."""

    INTRANET = "intranet"
    VPS = "vps"


ROUTINES: Mapping[History, Sequence[str]] = {
    History.INTRANET: (
        "versions", "parsing", "items", "broken", "landing", "projection", "unlike", "reproject",
        "revocations", "photos", "watch", "push",
    ),
    History.VPS: ("guard", "changes", "search", "sessions", "gaps", "push_rows", "push"),
}  # fmt: skip
"""The files of functions and triggers, each after those that it needs."""

_LAST_ERROR = read_sql("db", "last_error")
"""What both ends have, each in a schema of its own."""
_SWEEP = read_sql("db", "sweep")


def migrate(history: History, conninfo: str) -> None:
    """Bring the database to the newest version, or leave it as it is; does nothing when it is there.

    Raise EncodingError for a database that is not in UTF8, NewerDatabaseError for one that another version of
    Ponte migrated, MigrationLockError when a lock can't be had within 3 s.
    """
    try:
        with engine(conninfo).begin() as connection:
            _check_encoding(connection)
            _check_revision(history, connection)
            command.upgrade(_config(history, connection), "head")
    except (DBAPIError, psycopg.errors.LockNotAvailable) as error:
        if not isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable):
            raise
        raise MigrationLockError(
            f"a table of the {history} history is held by somebody else, and nothing was changed",
            "run 'ponte migrate' again; if that helps nothing, look in pg_locks for who holds it",
        ) from error


def _check_encoding(connection: Connection) -> None:
    """One letter that an encoding lacks would bury its order, or stop apply for all of them."""
    name, encoding = connection.execute(text(_ENCODING)).one()
    if encoding != "UTF8":
        raise EncodingError(
            f"database {name} has the encoding {encoding}, which can't hold every letter",
            f"make it anew with CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0,"
            " then run 'ponte migrate'",
        )


def _check_revision(history: History, connection: Connection) -> None:
    """Nothing goes back to an older version: what a newer one wrote may have no place there."""
    script = ScriptDirectory.from_config(_config(history, None))
    known = [revision.revision for revision in script.walk_revisions()]
    present = _read_revision(history, connection)
    if present is not None and present not in known:
        raise NewerDatabaseError(
            f"the database is at version {present}, and this Ponte knows {', '.join(reversed(known))}",
            "install the version of Ponte that migrated it, or a newer one; no version goes back",
        )


def emit_sql(history: History, connection: Connection | None = None) -> None:
    """Print the SQL of the whole history on stdout instead of running it."""
    command.upgrade(_config(history, connection), "head", sql=True)


def read_revision(history: History, conninfo: str) -> tuple[str | None, str | None]:
    """Return the database's version and the newest one; they are equal when nothing is pending."""
    head = ScriptDirectory.from_config(_config(history, None)).get_current_head()
    with engine(conninfo).connect() as connection:
        return _read_revision(history, connection), head


def is_current(history: History, conninfo: str) -> bool:
    """Tell whether the tables are at the newest version and the functions are this version's."""
    revision, head = read_revision(history, conninfo)
    with engine(conninfo).connect() as connection:
        noted = connection.scalar(
            text("SELECT obj_description(to_regnamespace(:schema), 'pg_namespace')"),
            {"schema": _models(history).SCHEMA},
        )
    return revision == head and noted == describe_routines(history)


def _read_revision(history: History, connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": _models(history).SCHEMA})
    return context.get_current_revision()


def run_script(script: LiteralString, context: MigrationContext | None = None) -> None:
    """Run, or print, a migration's SQL as it stands: its per cents and colons are nobody's parameters."""
    context = context or op.get_context()
    if context.as_sql:
        context.impl.static_output(script.strip().rstrip(";") + ";")
        return
    session = context.connection.connection.dbapi_connection if context.connection else None
    if session is None:
        raise RuntimeError("a migration ran without a connection")
    session.cursor().execute(script)


def run_with_routines(script: LiteralString) -> None:
    """Run, or print, a migration's SQL once the functions that it calls are installed."""
    _later(op.get_context()).append(script)


def _later(context: MigrationContext) -> list[LiteralString]:
    config = context.config
    if config is None:
        raise RuntimeError("a migration ran without a configuration")
    scripts: list[LiteralString] = config.attributes.setdefault("later", [])
    return scripts


def _install_routines(history: History, context: MigrationContext) -> None:
    models = _models(history)
    for name in ROUTINES[history]:
        run_script(read_sql(f"db.{history.value}", name), context)
    run_script(_LAST_ERROR.replace("{schema}", models.ERRORS_SCHEMA), context)
    schemas = ", ".join(f"'{schema}'" for schema in models.ROUTINE_SCHEMAS)
    run_script(_SWEEP.replace("{schemas}", schemas), context)
    run_script(f"COMMENT ON SCHEMA {models.SCHEMA} IS '{describe_routines(history)}'", context)
    for script in _later(context):
        run_script(script, context)


def describe_routines(history: History) -> str:
    """Return the words by which a database tells whose functions it has."""
    said = "".join(read_sql(f"db.{history.value}", name) for name in ROUTINES[history]) + _LAST_ERROR
    return f"routines {hashlib.sha256(said.encode()).hexdigest()[:16]}"


def run_environment(history: History, context: EnvironmentContext) -> None:
    """Serve as the body of each history's `env.py`."""
    models = _models(history)
    metadata: MetaData = models.metadata
    schemas = {table.schema for table in metadata.tables.values()}
    connection: Connection | None = context.config.attributes.get("connection")
    context.configure(
        connection=connection,
        dialect_name="postgresql",
        target_metadata=metadata,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name in schemas,
        version_table_schema=models.SCHEMA,
        compare_server_default=True,
        as_sql=context.is_offline_mode(),
    )
    with context.begin_transaction():
        context.execute(LOCK_TIMEOUT)
        context.execute(CreateSchema(models.SCHEMA, if_not_exists=True))
        context.run_migrations()
        _install_routines(history, context.get_context())


def _models(history: History):  # type: ignore[no-untyped-def]  # a module
    return import_module(f"db.{history.value}.models")


def _config(history: History, connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files(f"db.{history.value}").joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
