"""What went wrong, as a fact and a next step: by type and SQLSTATE, in one place for all programs.

What a row held never stands in it: of an error about data only the kind is told.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import LiteralString

import psycopg

from db.bounded import UnbelievableError
from db.engines import Connection, connect
from db.errors import PonteError, word
from db.permissions import is_open_for_libpq
from db.reach import Address, ask_sqlstate, ask_tls, read_address

Reason = tuple[str, str]
"""A fact and a hint."""


class DatabaseError(PonteError):
    """A database refused, lacks something, or was lost."""


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


class SystemRefusalError(PonteError):
    """The operating system refused: a file, a disk, a port."""


class UnforeseenError(PonteError):
    """Nobody has thought of it: a fault of the program's."""


def explain(error: BaseException, *, name: str = "the database", source: str = "its DSN") -> PonteError:
    """Return what may be told of any error. name: the database's; source: the variable of its DSN."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's wrapping
    match cause:
        case PonteError():
            return cause
        case UnbelievableError():
            return DatabaseError(f"{name} {cause}", OTHER_HANDS)
        case psycopg.Error():
            return _explain_statement(cause, name, source)
        case OSError():
            return _explain_system(cause)
        case MemoryError():
            return SystemRefusalError("this machine's memory is used up", "free some, then run it again")
        case _:
            return UnforeseenError(
                f"something unforeseen: {type(cause).__name__}{_place(cause)}",
                "this is a fault of Ponte's: run it again with -v, and report what that shows",
            )


OTHER_HANDS = "it may be in other hands, or no PostgreSQL: look at that machine before you trust it"
SAID_LETTERS = 500
"""Of a server's own words; PostgreSQL's have some dozens."""


@contextmanager
def explained(name: str, source: str) -> Iterator[None]:
    """Have what a database says in the block raised as a DatabaseError that names it."""
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "orig", error), psycopg.Error):
            raise explain(error, name=name, source=source) from error
        raise


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


_AGAIN = "try again; if it comes again, that server's log says why"
_ABOUT_DATA = ("22", "23", "P0")
"""Classes of SQLSTATE whose words may quote a row."""
_ENDED = ("08", "57P")


_STATEMENTS: Mapping[str, Reason] = {
    "42501": (
        "{name} does not allow it: {said}",
        "services get their rights from 'ponte apply'; 'ponte' itself needs a superuser",
    ),
    "25006": ("{name} takes no writes: {said}", "name the primary in {source}, not a standby"),
    "53100": ("the disk of {name} is full", "free space there; 'ponte lag' says how much WAL it keeps"),
    "57014": ("{name} took too long over a statement", _AGAIN),
    "": ("the session with {name} was lost", _AGAIN),
    **dict.fromkeys(
        ("55P03", "40P01"),
        ("somebody holds a lock on {name} that is needed", "try again; pg_locks there says who"),
    ),
    **dict.fromkeys(
        ("42P01", "42703", "42883", "3F000", "42704"),
        (
            "{name} lacks what is asked for: {said}",
            "run 'ponte migrate'; if it finds nothing to do, this program is older than the database",
        ),
    ),
}
"""By what a server says to a statement."""


def _explain_statement(error: psycopg.Error, name: str, source: str) -> DatabaseError:
    sqlstate = error.sqlstate or ""
    fact, hint = _STATEMENTS.get(sqlstate) or _judge_class(error, sqlstate)
    words = {
        "name": name,
        "source": source,
        "said": (error.diag.message_primary or "")[:SAID_LETTERS].split("\n")[0],
    }
    return DatabaseError(fact.format(**words), hint.format(**words))


def _judge_class(error: psycopg.Error, sqlstate: str) -> Reason:
    if sqlstate.startswith(_ENDED):
        return "{name} ended the session: {said}", _AGAIN
    if sqlstate.startswith(_ABOUT_DATA):
        return f"{{name}} refuses a value: {type(error).__name__}, SQLSTATE {sqlstate}", _AGAIN
    return f"{{name}} refuses a statement: {{said}} (SQLSTATE {sqlstate})", "that server's log says more"


_FULL = {errno.ENOSPC, errno.EDQUOT}


def _explain_system(error: OSError) -> SystemRefusalError:
    if error.errno in _FULL:
        where = (
            f"no space left for {error.filename}" if error.filename else "no space left for what is written"
        )
        return SystemRefusalError(where, "free some, or write to another disk")
    what = f"{error.filename}: " if error.filename else ""
    is_other = isinstance(error, (FileExistsError, NotADirectoryError))
    hint = "name a folder, not a file" if is_other else "see that it is there, and who may use it"
    return SystemRefusalError(f"{what}{word(error)}", hint)


def explain_port(error: OSError, host: str, port: int, *, source: str) -> SystemRefusalError:
    """Say why nobody can listen there. source: the prefix of the variables that name host and port."""
    where = f"port {port} on {host} can't be had: {word(error)}"
    if error.errno == errno.EADDRINUSE:
        return SystemRefusalError(where, f"stop what listens there, or set {source}PORT to another one")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return SystemRefusalError(where, f"set {source}PORT to one from 1024 on, and a proxy in front")
    return SystemRefusalError(where, f"set {source}HOST to an address of this machine")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119
