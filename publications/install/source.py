"""SGP as it is found: whether its server, or its file, lets Ponte in. Nothing of it is changed here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from db.engines import Connection
from db.errors import PonteError
from db.reasons import explained
from db.unreached import open_database
from publications.install.access import Access
from publications.install.accounts import check_as, name_group
from publications.install.errors import InstallError
from publications.install.machine import Machine
from publications.install.step import Step
from publications.settings import dsn_variable

LEAST_SGP = 150000
READERS = ("feeder", "worker")
"""Whose services read SGP's file."""


def check_server(access: Access) -> Step:
    """Return the step that finds out whether SGP's server can be published from."""
    says = "SGP's PostgreSQL lets an administrator in and can publish"
    return Step(says, partial(_is_fit, access), partial(_check, access))


def check_file(path: Path, machine: Machine) -> Iterator[Step]:
    """Yield the steps that find out whether the services' users can read SGP's file."""
    for service in READERS:
        account, group = machine.account(service), name_group(path)
        command = (machine.venv / "bin" / "python", "-m", "publications.feeder.fit", path)
        hint = f"let it: usermod -aG {group} {account}, if that group may read it and what lies beside it"
        yield check_as(f"the user {account} can read {path}", command, account, hint)


def _is_fit(access: Access) -> bool:
    try:
        _check(access)
    except PonteError:
        return False
    return True


def _check(access: Access) -> None:
    name = access.declaration.intake.source
    dsn, source = access.secrets.find(dsn_variable(name)) or "", dsn_variable(name)
    with open_database(dsn, name=name, source=source) as conn, explained(name, source):
        _require_fit(conn)


def _require_fit(conn: Connection) -> None:
    row = conn.execute("SELECT current_setting('wal_level')").fetchone()
    if conn.info.server_version < LEAST_SGP:
        raise InstallError("SGP's PostgreSQL is older than 15", "upgrade it first")
    if conn.info.parameter_status("is_superuser") != "on":
        raise InstallError(f"role {conn.info.user} on SGP is no superuser", "name one in --sgp")
    if row != ("logical",):
        raise InstallError(
            f"SGP's PostgreSQL has wal_level {row and row[0]}, and publishes nothing so",
            "run there: ALTER SYSTEM SET wal_level = logical; then restart that server",
        )
