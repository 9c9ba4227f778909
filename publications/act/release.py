"""Take a column out of the road before SGP's own migration touches it; `ponte apply` puts it back."""

from __future__ import annotations

from dataclasses import replace

from db.errors import PonteError
from publications.act.apply import StepReport, hold_lock, write_fingerprints
from publications.act.endpoints import Endpoints
from publications.act.perform import run_step
from publications.decide.changes.change import Consequence, Phase
from publications.decide.changes.publications import SetPublishedTables
from publications.decide.changes.rows import MarkBackfill
from publications.decide.changes.step import Step
from publications.decide.hops import key_of
from publications.decide.spec import PublicationSpec
from publications.declare.declaration import Declaration, LandedTable


class ReleaseError(PonteError):
    """That column can't be taken out."""


def plan_release(
    declaration: Declaration, live: PublicationSpec, table: LandedTable, column: str
) -> list[Step]:
    """Return the steps: note at the landing table what will be missing, then stop sending it. Pure.

    While it is out its old values stay where they are. SGP may then change its type or drop it; with the
    column in the publication PostgreSQL refuses both.
    """
    intake, name = declaration.intake, table.name
    if column == key_of(name):
        raise ReleaseError(f"{table.name}.{column} is the key", "a table can't be published without it")
    if column not in table.columns:
        raise ReleaseError(
            f"{table.name}.{column} is not published", "nothing stands in the way of SGP's migration"
        )
    parts = frozenset(
        replace(part, columns=part.columns - {column}) if part.columns and part.table == name else part
        for part in live.tables
    )
    return [
        MarkBackfill(intake.target, name, (column,)),
        SetPublishedTables(
            intake.source, replace(live, tables=parts), live, Consequence.HARMLESS, Phase.WITHDRAWALS
        ),
    ]


def find_column(declaration: Declaration, path: str) -> tuple[LandedTable, str]:
    """Read `schema.table.column` or `table.column`. Raise ReleaseError for what the intake does not have."""
    name, _, column = path.rpartition(".")
    for table in declaration.intake.tables:
        if name in {str(table.name), table.name.name}:
            return table, column
    known = ", ".join(str(table.name) for table in declaration.intake.tables)
    raise ReleaseError(f"'{path}' names no column of the intake", f"write table.column, of {known}")


def release(endpoints: Endpoints, path: str, *, report: StepReport) -> None:
    """Take the column out. Raise ReleaseError, or BusyError when another apply runs."""
    declaration = endpoints.declaration
    table, column = find_column(declaration, path)
    if declaration.intake.is_fed:
        raise ReleaseError(
            f"nothing holds {table.name}.{column}: SGP's file is only read",
            "let SGP migrate, then 'ponte plan'",
        )
    with hold_lock(endpoints):
        live = endpoints.read().live[declaration.intake.source].publications.get(table.publication)
        if live is None:
            raise ReleaseError(f"there is no publication {table.publication}", "run 'ponte plan'")
        for step in plan_release(declaration, live, table, column):
            report(step)
            run_step(endpoints, step)
        write_fingerprints(endpoints)
