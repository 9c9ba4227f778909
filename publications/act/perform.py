"""Carry out one step, act by act: patient with locks, and never long in the shop's way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import assert_never

import psycopg
from psycopg import sql
from pydantic import SecretStr

from db.backoff import choose_pause_s
from db.engines import Connection
from db.errors import PonteError
from publications.act.endpoints import Endpoints
from publications.act.holders import find_holders
from publications.act.waits import wait_for_arrival, wait_for_copies_to
from publications.ddl.acts import (
    Act,
    AwaitArrival,
    AwaitCopies,
    CarryRows,
    Part,
    SetPassword,
    Together,
    name_act,
)
from publications.ddl.to_sql import to_sql
from publications.decide.changes.step import Step

LOCK_TIMEOUT_MS = 3000
LOCK_TRIES = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.8, 2.8
_WORTH_ANOTHER_TRY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ObjectInUse,
)


class BusyError(PonteError):
    """Somebody else applies, or holds a lock that is needed."""


class OutdatedError(PonteError):
    """The database lacks what a migration brings."""


def run_step(endpoints: Endpoints, step: Step) -> None:
    """Carry out one step. Raise BusyError when a lock can't be had."""
    for act in to_sql(step):
        _run(endpoints, step.endpoint, act)


def _run(endpoints: Endpoints, at: str, act: Act) -> None:
    conn = endpoints.connections[at]
    match act:
        case AwaitCopies(endpoint=endpoint, subscription=subscription):
            wait_for_copies_to(endpoints, endpoint, subscription)
        case AwaitArrival():
            wait_for_arrival(endpoints.connections[act.source], act, at)
        case Together(parts=parts):
            waiting = [conn, *(endpoints.connections[name] for name in act.sources)]
            _be_patient(lambda: _run_together(endpoints, at, parts), name_act(act), waiting=waiting)
        case sql.Composed():
            # It stands in no transaction: some that concern subscriptions must not.
            _be_patient(lambda: conn.execute(act), name_act(act), waiting=[conn])
        case _:
            assert_never(act)


def _run_together(endpoints: Endpoints, at: str, parts: Sequence[Part]) -> None:
    with endpoints.connections[at].transaction():
        for part in parts:
            _run_part(endpoints, at, part)


def _run_part(endpoints: Endpoints, at: str, part: Part) -> None:
    conn = endpoints.connections[at]
    match part:
        case sql.Composed():
            conn.execute(part)
        case SetPassword(role=role):
            conn.execute(_set_password(conn, role, endpoints.settings.passwords[at, role]))
        case CarryRows(source=source):
            _carry(endpoints.connections[source], conn, part)
        case _:
            assert_never(part)


def _carry(source: Connection, target: Connection, act: CarryRows) -> None:
    read = sql.SQL("COPY ({}) TO STDOUT").format(act.query)
    write = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(act.into))
    with source.cursor().copy(read) as rows, target.cursor().copy(write) as stage:
        for piece in rows:
            stage.write(piece)


def _set_password(conn: Connection, role: str, password: SecretStr) -> sql.Composed:
    """Hash the password here: neither the server's log nor its WAL sees it."""
    verifier = conn.pgconn.encrypt_password(
        password.get_secret_value().encode(), role.encode(), b"scram-sha-256"
    )
    return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))


def _be_patient(run: Callable[[], object], what: str, *, waiting: Sequence[Connection]) -> None:
    """Run something without ever making the shop wait behind it for more than the lock time-out.

    waiting: the sessions in which it may wait for a lock. Raise BusyError when a lock can't be had,
    OutdatedError when the database was not migrated.
    """
    for conn in waiting:
        conn.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_TIMEOUT_MS))
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            run()
        except _WORTH_ANOTHER_TRY as error:
            if attempt == LOCK_TRIES:
                raise _busy(error, what, waiting) from error
            time.sleep(choose_pause_s(attempt, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S))
        except psycopg.errors.UndefinedFunction as error:
            raise OutdatedError(
                f"the database is older than this 'ponte': {str(error).splitlines()[0]}",
                "run 'ponte migrate', then 'ponte apply' again",
            ) from error
        else:
            return


def _busy(error: psycopg.Error, what: str, waiting: Sequence[Connection]) -> BusyError:
    if not isinstance(error, psycopg.errors.ObjectInUse):
        tried = f"not done in {LOCK_TRIES} tries of {LOCK_TIMEOUT_MS / 1000:g} s"
        writers = "replication_slot(" in what
        found = [holder for conn in waiting for holder in find_holders(conn, writers=writers)]
        if found:
            return BusyError(
                f"{tried}, it waits for {'; '.join(map(str, found))}: {what}",
                f"let it end, or: {found[0].remedy}; then run 'ponte apply' again",
            )
        return BusyError(
            f"{tried}, a lock could not be had: {what}",
            "whoever held it has let it go: run 'ponte apply' again",
        )
    # The sender of a subscription that was just dropped needs a moment to see it; this is another.
    return BusyError(
        f"in use, and nothing is taken by force: {what}",
        "let the subscription that uses it be dropped first, or keep it in the declaration",
    )
