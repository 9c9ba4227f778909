"""Copy tables again over themselves: nobody who reads sees a gap."""

from __future__ import annotations

from collections.abc import Sequence

from db.errors import PonteError, SettingsError
from publications.act.apply import StepReport, apply, hold_lock
from publications.act.endpoints import Endpoints
from publications.act.perform import run_step
from publications.decide.changes.rows import MarkBackfill
from publications.decide.plan import Plan
from publications.decide.spec import COPY

ALL = "all"


class PendingError(PonteError):
    """There is something else to do first."""


def resync(endpoints: Endpoints, name: str, *, report: StepReport) -> Plan:
    """Mark tables as to be copied, and apply: the marks survive whoever ends it, and apply goes on with them.

    name: a table's, on whatever hop it travels, or `all`. Raise PendingError, and what apply does.
    """
    marks = _mark(endpoints, name)
    if (reading := endpoints.read()).plan.steps or reading.refusals:
        raise PendingError(
            f"{len(reading.plan.steps)} other steps are to be done first",
            "see them with 'ponte plan', do them with 'ponte apply', then run this again",
        )
    with hold_lock(endpoints):
        for mark in marks:
            report(mark)
            with endpoints.telling(mark.endpoint):
                run_step(endpoints, mark)
    return apply(endpoints, allow_drop=False, report=report)


def _mark(endpoints: Endpoints, name: str) -> Sequence[MarkBackfill]:
    travelling = [(hop.target, table.name) for hop in endpoints.declaration.hops for table in hop.tables]
    chosen = [(target, table) for target, table in travelling if name in {ALL, table.name, str(table)}]
    if not chosen:
        known = ", ".join(sorted({str(table) for _, table in travelling}))
        raise SettingsError(f"no table {name} travels", f"name 'all' or one of {known}")
    return [MarkBackfill(target, table, (COPY,)) for target, table in chosen]
