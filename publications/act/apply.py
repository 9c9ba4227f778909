"""Carry out a plan: one statement at a time, resumable at any of them, never two applies at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from db.errors import PonteError
from db.published import read_fingerprint, write_applied
from publications.act.endpoints import Endpoints, Reading
from publications.act.perform import BusyError, run_step
from publications.act.reachable import require_reach
from publications.act.subscriptions import read_subscriptions
from publications.act.waits import wait_for_hop
from publications.decide.changes.change import Phase
from publications.decide.changes.roles import CreateRole
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import CreateSubscription, SettleSubscription
from publications.decide.hops import derive_options
from publications.decide.plan import Plan
from publications.settings import password_variable

LOCK_KEY = 0x706F6E7465
"""The advisory lock on the window's cluster: "ponte"."""

StepReport = Callable[[Step], None]


class RefusedError(PonteError):
    """The plan must not be carried out; every reason is in `refusals`."""

    def __init__(self, refusals: tuple[PonteError, ...]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = refusals


class MissingPasswordError(PonteError):
    """A role can't be made without a password."""


class NotConvergedError(PonteError):
    """After all steps there still is something to do."""


def apply(endpoints: Endpoints, *, allow_drop: bool, report: StepReport) -> Plan:
    """Make the databases agree with the declaration and return the steps that were taken.

    What must wait until tables are copied is left to `wait_for_copies`.

    Raise RefusedError before anything is touched, BusyError when a lock can't be had, NotConvergedError
    when the plan made afterwards is not empty.
    """
    with hold_lock(endpoints):
        reading = endpoints.read()
        plan = _allowed(reading, allow_drop=allow_drop)
        _check_passwords(endpoints, plan)
        first_slot = next((step for step in plan.steps if step.phase >= Phase.SLOTS), None)
        for step in plan.steps:
            if step is first_slot:
                _require_reach(endpoints, plan)
            report(step)
            with endpoints.telling(step.endpoint):
                run_step(endpoints, step)
        write_fingerprints(endpoints)
        left = _allowed(endpoints.read(), allow_drop=allow_drop)
    if left.steps:
        first = left.steps[0]
        raise NotConvergedError(
            f"{len(left.steps)} steps are still to do, first {type(first).__name__} on {first.endpoint}",
            "run 'ponte plan' to see them, and 'ponte apply' again: something came to light meanwhile, or"
            " somebody is changing the databases at this moment",
        )
    return plan


def _require_reach(endpoints: Endpoints, plan: Plan) -> None:
    """Make no slot for a subscription that could not be made: it would keep WAL that nobody fetches."""
    for step in plan.steps:
        if isinstance(step, CreateSubscription):
            with endpoints.telling(step.endpoint):
                require_reach(endpoints, step)


def settle(endpoints: Endpoints) -> None:
    """Let subscriptions that have copied all their tables commit as declared.

    Another apply that runs meanwhile does it at its own end.
    """
    with contextlib.suppress(BusyError), hold_lock(endpoints):
        for hop in endpoints.declaration.hops:
            live = read_subscriptions(endpoints.connections[hop.target]).get(hop.subscription)
            if live is None or live.copying:
                continue
            wanted = replace(live, options=derive_options(hop.options))
            if live.options == wanted.while_copying.options != wanted.options:
                run_step(endpoints, SettleSubscription(hop.target, wanted))


def write_fingerprints(endpoints: Endpoints) -> None:
    """Write down what both ends publish now, for the services that watch over it."""
    intake = endpoints.declaration.intake
    vitrine = endpoints.connections[intake.target]
    for endpoint in (intake.target,) if intake.is_fed else (intake.source, intake.target):
        write_applied(vitrine, endpoint, read_fingerprint(endpoints.connections[endpoint]))


def _allowed(reading: Reading, *, allow_drop: bool) -> Plan:
    if reading.refusals:
        raise RefusedError(reading.refusals)
    plan = reading.plan if allow_drop else reading.plan.without_drops()
    return Plan(tuple(step for step in plan.steps if not isinstance(step, SettleSubscription)))


@contextmanager
def hold_lock(endpoints: Endpoints) -> Iterator[None]:
    """Keep every other apply out for the length of a block. Raise BusyError if there is one."""
    conn = endpoints.connections[endpoints.declaration.intake.target]
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
    if not row or not row[0]:
        raise BusyError("another 'ponte apply' is running", "wait for it to end")
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])


def _check_passwords(endpoints: Endpoints, plan: Plan) -> None:
    made = [(step.endpoint, step.role.name) for step in plan.steps if isinstance(step, CreateRole)]
    missing = [password_variable(*one) for one in made if one not in endpoints.settings.passwords]
    if missing:
        raise MissingPasswordError(
            f"roles are to be made and have no password: {', '.join(missing)}",
            "set them in the environment or as files in PONTE_SECRETS_DIR",
        )


def wait_for_copies(endpoints: Endpoints, *, timeout_s: float | None = None) -> None:
    """Return when every subscription has copied its tables, follows and commits as declared.

    Raise CopyTimeoutError when nothing comes for long, or all takes longer than `timeout_s`.
    """
    for hop in endpoints.declaration.hops:
        wait_for_hop(endpoints, hop, timeout_s=timeout_s)
    settle(endpoints)
