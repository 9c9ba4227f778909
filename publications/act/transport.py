"""Switch who carries a subscriber's rows, with both carriers at work for a while: readers notice nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from db.errors import PonteError
from publications.act.apply import StepReport, apply, hold_lock, wait_for_copies, write_fingerprints
from publications.act.endpoints import Endpoints
from publications.act.perform import run_step
from publications.act.waits import POLL_S, STALL_S
from publications.decide.changes.publications import DropSlot
from publications.decide.changes.pushes import DropPush
from publications.decide.changes.roles import AlterRole, RevokeGrants
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import DropSubscription
from publications.declare.declaration import Export

PushReport = Callable[[int, int], None]
"""Gets how many rows of a first copy are sent, and of how many."""


class PushTimeoutError(PonteError):
    """The first copy does not come."""


def switch(
    endpoints: Endpoints,
    export: Export,
    *,
    report: StepReport,
    pushed: PushReport,
    stall_s: float = STALL_S,
) -> None:
    """Have the declared transport carry everything, then take the other one away.

    export: as it is declared now. Raise what `apply` raises, PushTimeoutError, CopyTimeoutError.
    """
    apply(endpoints, allow_drop=False, report=report)
    if export.is_pushed:
        wait_for_push(endpoints, export, report=pushed, stall_s=stall_s)
    else:
        wait_for_copies(endpoints)
    with hold_lock(endpoints):
        for step in endpoints.read().plan.steps:
            if _served(step, export):
                report(step)
                with endpoints.telling(step.endpoint):
                    run_step(endpoints, step)
        write_fingerprints(endpoints)


def _served(step: Step, export: Export) -> bool:
    """Tell whether a step takes away what the other transport had."""
    match step:
        case DropSubscription(name=name):
            return name == export.subscription
        case DropPush(subscriber=subscriber):
            return subscriber == export.target
        case DropSlot(slot=slot):
            return slot.name in {export.slot, f"{export.slot}_push"}
        case AlterRole(role=role):
            return role.name == export.role
        case RevokeGrants(grants=grants):
            return grants[0].role == export.role
        case _:
            return False


def wait_for_push(
    endpoints: Endpoints, export: Export, *, report: PushReport, stall_s: float = STALL_S
) -> None:
    """Return when the first copy has arrived. Raise PushTimeoutError when nothing comes for long."""
    conn = endpoints.connections[export.source]
    query = (
        "SELECT arrived IS NOT NULL, coalesce(copied_rows, 0), coalesce(rows_to_copy, 0), fault, hint"
        " FROM push.ways WHERE subscriber = %s"
    )
    moved, last = time.monotonic(), -1
    while True:
        there, done, total, fault, hint = conn.execute(query, [export.target]).fetchone() or (
            False,
            0,
            0,
            None,
            None,
        )
        if there:
            return
        report(done, total)
        if done != last:
            moved, last = time.monotonic(), done
        if time.monotonic() - moved > stall_s:
            raise PushTimeoutError(
                f"nothing was pushed to {export.target} for {stall_s:.0f} s: {fault or 'nobody pushes'}",
                f"{hint or 'start the service: ponte push'}; then run the same command again. Until then the"
                " other transport goes on",
            )
        time.sleep(POLL_S)
