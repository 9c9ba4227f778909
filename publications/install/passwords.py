"""Roles that are there already, of an installation before: their passwords become those that we made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import psycopg

from db.engines import Connection
from db.errors import PonteError
from db.reasons import explained
from db.sqlfile import read_blocks
from db.unreached import open_database
from publications.ddl.statement import compose, name_of
from publications.decide.passwords import SCHEME, is_made_of
from publications.install.step import Step
from publications.settings import PublicationsSettings, dsn_variable

_SQL = read_blocks("publications", "install")


def agree_on_passwords(endpoint: str, settings: PublicationsSettings) -> Step:
    """Return the step after which no role of ours has another password than the one in its secret."""
    wanted = {
        role: password.get_secret_value()
        for (at, role), password in settings.passwords.items()
        if at == endpoint
    }

    def is_done() -> bool:
        try:
            with _open(endpoint, settings) as conn:
                return not list(_find_others(conn, wanted))
        except (PonteError, psycopg.Error):
            return False

    return Step(
        f"passwords of Ponte's roles on {endpoint}", is_done, partial(_set, endpoint, settings, wanted)
    )


def _set(endpoint: str, settings: PublicationsSettings, wanted: Mapping[str, str]) -> None:
    with _open(endpoint, settings) as conn, explained(endpoint, dsn_variable(endpoint)), conn.transaction():
        for role in list(_find_others(conn, wanted)):
            # A verifier rather than the password: what the server logs tells nobody anything.
            verifier = conn.pgconn.encrypt_password(
                wanted[role].encode(), role.encode(), SCHEME.lower().encode()
            ).decode()
            conn.execute(compose("ALTER ROLE {} PASSWORD {}", name_of(role), verifier))


def _find_others(conn: Connection, wanted: Mapping[str, str]) -> Iterator[str]:
    for role, verifier in conn.execute(_SQL["verifiers"], {"roles": list(wanted)}).fetchall():
        if not is_made_of(verifier or "", wanted[role]):
            yield role


def _open(endpoint: str, settings: PublicationsSettings) -> Connection:
    return open_database(settings.dsn(endpoint), name=endpoint, source=dsn_variable(endpoint))
