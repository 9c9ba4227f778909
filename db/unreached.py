"""Why a database can't be reached, as a fact and a next step; the server and the network are asked."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from enum import StrEnum
from typing import LiteralString

import psycopg

from db.bounded import UnbelievableError
from db.engines import Connection, connect
from db.errors import PonteError, word
from db.permissions import is_open_for_libpq
from db.reach import Address, ask_sqlstate, ask_tls, read_address
from db.reasons import SAID_LETTERS, DatabaseError, Reason, explain


class Unreached(StrEnum):
    """In which way a database can't be reached."""

    SILENT = "silent"
    """Nothing comes back from there."""
    CLOSED = "closed"
    """The machine answers, and no PostgreSQL does."""
    STARTING = "starting"
    NO_DATABASE = "no_database"
    REFUSED = "refused"
    FULL = "full"


class UnreachableError(DatabaseError):
    """A database can't be reached."""

    def __init__(self, fact: str, hint: str, way: Unreached = Unreached.SILENT) -> None:
        super().__init__(fact, hint)
        self.way = way


def open_database(
    conninfo: str, *, name: str, source: str, application: LiteralString = "ponte"
) -> Connection:
    """Open one session, in UTC and autocommit. Raise UnreachableError with the reason."""
    try:
        return connect(conninfo, application=application)
    except psycopg.Error as error:
        raise explain_unreached(error, conninfo, name=name, source=source) from error


def explain_failure(error: Exception, conninfo: str, *, name: str, source: str) -> PonteError:
    """Say why a session could not be had, or was lost: of what says no SQLSTATE the server is asked."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, PonteError | UnbelievableError) or getattr(cause, "sqlstate", None):
        return explain(cause, name=name, source=source)
    return explain_unreached(cause, conninfo, name=name, source=source)


def explain_unreached(error: Exception, conninfo: str, *, name: str, source: str) -> UnreachableError:
    """Say why a database could not be reached. It asks the server and the network, for 10 s at most."""
    way, (reason, hint) = _find_reason(error, conninfo, source)
    return UnreachableError(f"{name} can't be reached: {reason}", hint, way)


def _find_reason(error: Exception, conninfo: str, source: str) -> tuple[Unreached, Reason]:
    to = read_address(conninfo)
    pgconn = error.pgconn if isinstance(error, psycopg.Error) else None
    if pgconn is not None and pgconn.needs_password:
        return Unreached.REFUSED, _explain_no_password(to, source)
    if isinstance(error, (psycopg.errors.ConnectionTimeout, TimeoutError)):
        return Unreached.SILENT, _silent(to)
    sqlstate = getattr(error, "sqlstate", None) or ask_sqlstate(conninfo)
    if sqlstate is not None:
        encrypted = pgconn is not None and pgconn.ssl_in_use
        way = _WAYS.get(sqlstate, Unreached.REFUSED)
        return way, _explain_refusal(sqlstate, to, source, encrypted=encrypted)
    return _look_at_network(error, to, source)


_WAYS: Mapping[str, Unreached] = {
    "3D000": Unreached.NO_DATABASE,
    "55000": Unreached.NO_DATABASE,
    "53300": Unreached.FULL,
    **dict.fromkeys(("57P01", "57P02", "57P03"), Unreached.STARTING),
}
"""By what a server says; anything else is a refusal."""
_REFUSALS: Mapping[str, Reason] = {
    "28P01": (
        "{to} refuses role {to.user} with this password",
        "correct user and password in {source}, or in the passfile that it names",
    ),
    "28000": (
        "{to} does not let role {to.user} into database {to.database}{without}",
        "correct {source}, or pg_hba.conf there, or the role, which may lack LOGIN: its log says which",
    ),
    "3D000": ("{to} has no database {to.database}", "correct dbname in {source}, or make that database"),
    "42501": (
        "{to} does not let role {to.user} connect to database {to.database}",
        "run there: GRANT CONNECT ON DATABASE {to.database} TO {to.user}",
    ),
    "53300": (
        "{to} has no connection left for role {to.user}",
        "end idle sessions that pg_stat_activity shows there, or raise max_connections or the role's limit",
    ),
    "55000": (
        "{to} takes no connections to database {to.database}",
        "run there: ALTER DATABASE {to.database} ALLOW_CONNECTIONS true",
    ),
    "57P03": (
        "the server at {to} is starting, stopping or recovering",
        "try again in a moment; if it stays so, that server's log says why",
    ),
}
"""By what a server says to whoever wants to come in."""


def _explain_refusal(sqlstate: str, to: Address, source: str, *, encrypted: bool) -> Reason:
    unknown = (f"{{to}} refuses with SQLSTATE {sqlstate}", "that server's log says why")
    fact, hint = _REFUSALS.get(sqlstate, unknown)
    words = {"to": to, "source": source, "without": "" if encrypted else " without TLS"}
    return fact.format(**words), hint.format(**words)


def _explain_no_password(to: Address, source: str) -> Reason:
    """Nobody gave one: libpq passes over a passfile that is absent or of no use to it."""
    path = to.passfile
    try:
        if is_open_for_libpq(path):
            return f"others may use the passfile {path}, so libpq leaves it unread", f"run: chmod 0600 {path}"
        path.read_bytes()
    except FileNotFoundError:
        hint = f"write {path}, or name another with passfile= in {source}"
        return f"there is no password for role {to.user}, and no passfile {path}", hint
    except OSError as found:
        return f"the passfile {path} can't be read: {word(found)}", "give it to the account that runs this"
    line = f"{to.host}:{to.port}:{to.database}:{to.user}:PASSWORD"
    return f"the passfile {path} has no line for role {to.user} at {to}", f"add the line {line}"


def _silent(to: Address) -> Reason:
    return f"{to} does not answer", "see whether that machine is on and the tunnel up: 'tailscale status'"


def _look_at_network(error: Exception, to: Address, source: str) -> tuple[Unreached, Reason]:
    if not to.is_network:
        return Unreached.CLOSED, (_quote(error), f"start that server, or correct {source}")
    try:
        answer = ask_tls(to)
        way = Unreached.REFUSED if answer in _POSTGRES else Unreached.CLOSED if answer else Unreached.SILENT
        return way, _explain_tls(error, answer, to, source)
    except socket.gaierror:
        reason = f"host {to.host} has no address", f"correct host in {source}, or this machine's DNS"
    except ConnectionRefusedError:
        reason = f"nobody listens at {to}", f"start that server, or correct host and port in {source}"
        return Unreached.CLOSED, reason
    except TimeoutError:
        reason = _silent(to)
    except OSError as found:
        reason = f"no way leads to {to}: {word(found)}", "look at this machine's network, and at the tunnel"
    return Unreached.SILENT, reason


_POSTGRES = frozenset({b"S", b"N", b"E"})
"""What one answers to the question for TLS."""


def _explain_tls(error: Exception, answer: bytes, to: Address, source: str) -> Reason:
    if answer == b"N" and to.demands_tls:
        hint = f"switch ssl on there, or take sslmode out of {source} where a tunnel encrypts"
        return f"{to} has no TLS, and sslmode={to.sslmode} demands it", hint
    if answer == b"S" and to.verifies:
        hint = f"name the file with its authority's certificate with sslrootcert= in {source}"
        if not to.root_certificate.is_file():
            return f"there is no {to.root_certificate} to verify the certificate of {to} with", hint
        return f"the certificate of {to} can't be verified", f"{hint}; verify-full compares host, too"
    if answer not in _POSTGRES:
        return f"what answers at {to} is no PostgreSQL", f"correct host and port in {source}"
    return _quote(error), f"correct {source}"


def _quote(error: Exception) -> str:
    """Return libpq's own words: before there is a session there are no rows."""
    return " ".join(str(error)[:SAID_LETTERS].split())
