"""Copy tables again over themselves: nobody who reads sees a gap."""

from __future__ import annotations

from collections.abc import Sequence

from db.errors import PonteError, SettingsError
from publications.act.apply import Report, apply, hold_lock, run_step
from publications.act.endpoints import Session
from publications.decide.changes import MarkBackfill
from publications.decide.plan import Plan
from publications.decide.spec import COPY, TableName

ALL = "all"


class PendingError(PonteError):
    """There is something else to do first."""


def resync(session: Session, name: str, *, report: Report) -> Plan:
    """Mark tables as to be copied, and apply: the marks survive whoever ends it, and apply goes on with them.

    name: a table's, on whatever hop it travels, or `all`. Raise PendingError, and what apply does.
    """
    marks = _mark(session, name)
    if (reading := session.read()).plan.steps or reading.refusals:
        raise PendingError(
            f"{len(reading.plan.steps)} other steps are to be done first",
            "see them with 'ponte plan', do them with 'ponte apply', then run this again",
        )
    with hold_lock(session):
        for mark in marks:
            report(mark)
            with session.telling(mark.endpoint):
                run_step(session, mark)
    return apply(session, allow_drop=False, report=report)


def _mark(session: Session, name: str) -> Sequence[MarkBackfill]:
    travelling = [
        (hop.target, TableName.parse(table.name)) for hop in session.declaration.hops for table in hop.tables
    ]
    chosen = [(target, table) for target, table in travelling if name in {ALL, table.name, str(table)}]
    if not chosen:
        known = ", ".join(sorted({str(table) for _, table in travelling}))
        raise SettingsError(f"no table {name} travels", f"name 'all' or one of {known}")
    return [MarkBackfill(target, table, (COPY,)) for target, table in chosen]
