"""What went wrong, as a fact and a next step: by type and SQLSTATE, in one place for all programs.

What a row held never stands in it: of an error about data only the kind is told.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from db.bounded import UnbelievableError
from db.errors import PonteError, word

Reason = tuple[str, str]
"""A fact and a hint."""


class DatabaseError(PonteError):
    """A database refused, lacks something, or was lost."""


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
