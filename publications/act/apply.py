"""Carry out a plan: one statement at a time, resumable at any of them, never two applies at once."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import psycopg
from psycopg import sql
from pydantic import SecretStr

from db.engines import Connection
from db.errors import PonteError
from db.published import read_fingerprint, write_applied
from publications.act.catalog import read_subscriptions
from publications.act.endpoints import Reading, Session
from publications.act.holders import find_holders
from publications.act.reachable import require_reach
from publications.act.waits import CopyReport, wait_for_arrival, wait_for_hop, wait_for_sweep
from publications.ddl.backfill import STAGE, backfill_statements, stage_query
from publications.ddl.to_sql import to_sql
from publications.decide.changes import (
    Backfill,
    Change,
    CreateRole,
    CreateSubscription,
    EmptyColumns,
    Phase,
    SettleSubscription,
)
from publications.decide.plan import Plan
from publications.decide.wanted import derive_options
from publications.settings import password_variable

LOCK_KEY = 0x706F6E7465
"""The advisory lock on the window's cluster: "ponte"."""

LOCK_TIMEOUT_MS = 3000
LOCK_TRIES = 5
_WORTH_ANOTHER_TRY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.ObjectInUse,
)

Report = Callable[[Change], None]


class RefusedError(PonteError):
    """The plan must not be carried out; every reason is in `refusals`."""

    def __init__(self, refusals: tuple[PonteError, ...]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = refusals


class BusyError(PonteError):
    """Somebody else applies, or holds a lock that is needed."""


class OutdatedError(PonteError):
    """The database lacks what a migration brings."""


class MissingPasswordError(PonteError):
    """A role can't be made without a password."""


class NotConvergedError(PonteError):
    """After all steps there still is something to do."""


def apply(session: Session, *, allow_drop: bool, report: Report) -> Plan:
    """Make the databases agree with the declaration and return the steps that were taken.

    What must wait until tables are copied is left to `wait_for_copies`.

    Raise RefusedError before anything is touched, BusyError when a lock can't be had, NotConvergedError
    when the plan made afterwards is not empty.
    """
    with hold_lock(session):
        reading = session.read()
        plan = _allowed(reading, allow_drop=allow_drop)
        _check_passwords(session, plan)
        first_slot = next((step for step in plan.steps if step.phase >= Phase.SLOTS), None)
        for step in plan.steps:
            if step is first_slot:
                _require_reach(session, plan)
            report(step)
            with session.telling(step.endpoint):
                run_step(session, step)
        write_fingerprints(session)
        left = _allowed(session.read(), allow_drop=allow_drop)
    if left.steps:
        first = left.steps[0]
        raise NotConvergedError(
            f"{len(left.steps)} steps are still to do, first {type(first).__name__} on {first.endpoint}",
            "run 'ponte plan' to see them, and 'ponte apply' again: something came to light meanwhile, or"
            " somebody is changing the databases at this moment",
        )
    return plan


def _require_reach(session: Session, plan: Plan) -> None:
    """Make no slot for a subscription that could not be made: it would keep WAL that nobody fetches."""
    for step in plan.steps:
        if isinstance(step, CreateSubscription):
            with session.telling(step.endpoint):
                require_reach(session, step)


def settle(session: Session) -> None:
    """Let subscriptions that have copied all their tables commit as declared.

    Another apply that runs meanwhile does it at its own end.
    """
    with contextlib.suppress(BusyError), hold_lock(session):
        for hop in session.declaration.hops:
            live = read_subscriptions(session.connections[hop.target]).get(hop.subscription)
            if live is None or live.copying:
                continue
            wanted = replace(live, options=derive_options(hop.options))
            if live.options == wanted.while_copying.options != wanted.options:
                run_step(session, SettleSubscription(hop.target, wanted))


def write_fingerprints(session: Session) -> None:
    """Write down what both ends publish now, for the services that watch over it."""
    intake = session.declaration.intake
    vitrine = session.connections[intake.target]
    for endpoint in (intake.source, intake.target):
        write_applied(vitrine, endpoint, read_fingerprint(session.connections[endpoint]))


def _allowed(reading: Reading, *, allow_drop: bool) -> Plan:
    if reading.refusals:
        raise RefusedError(reading.refusals)
    plan = reading.plan if allow_drop else reading.plan.without_drops()
    return Plan(tuple(step for step in plan.steps if not isinstance(step, SettleSubscription)))


@contextmanager
def hold_lock(session: Session) -> Iterator[None]:
    """Keep every other apply out for the length of a block. Raise BusyError if there is one."""
    conn = session.connections[session.declaration.intake.target]
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
    if not row or not row[0]:
        raise BusyError("another 'ponte apply' is running", "wait for it to end")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def _check_passwords(session: Session, plan: Plan) -> None:
    missing = [
        password_variable(step.endpoint, step.role.name)
        for step in plan.steps
        if isinstance(step, CreateRole) and (step.endpoint, step.role.name) not in session.settings.passwords
    ]
    if missing:
        raise MissingPasswordError(
            f"roles are to be made and have no password: {', '.join(missing)}",
            "set them in the environment or as files in PONTE_SECRETS_DIR",
        )


def run_step(session: Session, step: Change) -> None:
    """Carry out one step. Raise BusyError when a lock can't be had."""
    conn = session.connections[step.endpoint]
    if isinstance(step, CreateRole):
        # In one transaction: a role without its password would never get one.
        password = session.settings.passwords[step.endpoint, step.role.name]
        with conn.transaction():
            for statement in (*to_sql(step), _set_password(conn, step.role.name, password)):
                conn.execute(statement)
        return
    if isinstance(step, Backfill):
        wait_for_sweep(session, step)
        both = [conn, session.connections[step.source]]
        _be_patient(lambda: _backfill(session, step), f"fill {step.table}", waiting=both)
        return
    if isinstance(step, EmptyColumns):
        wait_for_arrival(session.connections[step.source], step)
    if step.atomic:
        _execute_patiently(conn, to_sql(step))
        return
    for statement in to_sql(step):
        _execute_patiently(conn, [statement])


def _backfill(session: Session, step: Backfill) -> None:
    """Stage what the source has while apply waits at the target, and write what differs."""
    target, source = session.connections[step.endpoint], session.connections[step.source]
    before, after = backfill_statements(step)
    with target.transaction():
        for statement in before:
            target.execute(statement)
        _stage(source, target, step)
        for statement in after:
            target.execute(statement)


def _stage(source: Connection, target: Connection, step: Backfill) -> None:
    read = sql.SQL("COPY ({}) TO STDOUT").format(stage_query(step))
    write = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(STAGE))
    with source.cursor().copy(read) as rows, target.cursor().copy(write) as stage:
        for piece in rows:
            stage.write(piece)


def _set_password(conn: Connection, role: str, password: SecretStr) -> sql.Composed:
    """Hash the password here: neither the server's log nor its WAL sees it."""
    verifier = conn.pgconn.encrypt_password(
        password.get_secret_value().encode(), role.encode(), b"scram-sha-256"
    )
    return sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))


def _execute_patiently(conn: Connection, statements: Sequence[sql.Composed]) -> None:
    """Run one statement, or several together, and be patient with locks."""

    def run() -> None:
        # Alone it stands in no transaction: some that concern subscriptions must not.
        with conn.transaction() if len(statements) > 1 else nullcontext():
            for statement in statements:
                conn.execute(statement)

    _be_patient(run, statements[0].as_string(conn), waiting=[conn])


def _be_patient(run: Callable[[], None], what: str, *, waiting: Sequence[Connection]) -> None:
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
            time.sleep(random.uniform(0.2, 1.0) * attempt)  # noqa: S311  # jitter
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


def wait_for_copies(session: Session, *, report: CopyReport, timeout_s: float | None = None) -> None:
    """Return when every subscription has copied its tables, follows and commits as declared.

    `report` gets what is left of one after the other.

    Raise CopyTimeoutError when nothing comes for long, or all takes longer than `timeout_s`.
    """
    for hop in session.declaration.hops:
        wait_for_hop(session, hop, report=report, timeout_s=timeout_s)
    settle(session)
    report([])
