"""Plans as people and programs read them: text, JSON and SQL. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence

from db.errors import PonteError
from publications.ddl.backfill import backfill_script, wait_script
from publications.ddl.statement import Statement
from publications.ddl.to_sql import to_sql
from publications.decide.changes import (
    AddColumn,
    AddGrants,
    AlterColumnType,
    AlterRole,
    Backfill,
    Change,
    CloseGap,
    CopyAgain,
    CreateRole,
    EmptyColumns,
    ForgetMarks,
    ForgetProgress,
    MarkBackfill,
    NoteGap,
    RefreshSubscription,
    RenewSlot,
    RenewVersions,
    ResetColumn,
    RevokeGrants,
    SetIdentity,
    SetOperations,
    SetPublishedTables,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetTrigger,
    StartHeart,
)
from publications.decide.columns import USUAL
from publications.decide.plan import Plan
from publications.decide.spec import COPY, SWEEP, GrantSpec, PublicationSpec, RoleSpec, SubscriptionSpec

_WHOLE = {SWEEP: "rows gone", COPY: "all rows"}


def describe(change: Change) -> str:
    """Say in one line what a step does and to what, such as `create publication pub_vps_pedidos`."""
    return f"{_words(type(change).__name__)} {_subject(change)}"


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _subject(change: Change) -> str:  # noqa: PLR0911, PLR0912  # one short arm per kind
    match change:
        case AddGrants(grants=grants) | RevokeGrants(grants=grants):
            return _describe_grants(grants)
        case AlterRole(role=role, was=was):
            return f"{role.name} ({_differences(role, was)})"
        case AddColumn(table=table, column=column) | AlterColumnType(table=table, column=column):
            return f"{table}.{column.name} {column.type}"
        case StartHeart(table=table):
            return str(table)
        case NoteGap(gap=gap) | CloseGap(gap=gap):
            return f"between beats {gap.after_beat} and {gap.beat}" if gap else "that the new slot leaves"
        case SetTrigger(table=table, trigger=trigger):
            return f"{trigger.name} on {table}{' (all rows projected again)' if trigger.projects else ''}"
        case SetPublishedTables(publication=new, was=was):
            return f"{new.name} ({'; '.join(_table_differences(new, was))})"
        case SetOperations(publication=new, was=was):
            return f"{new.name} ({_change(_listed(was.operations), _listed(new.operations))})"
        case (
            MarkBackfill(table=table, columns=columns)
            | Backfill(table=table, columns=columns)
            | ForgetMarks(table=table, columns=columns)
        ):
            return f"{table} ({', '.join(_WHOLE.get(name, name) for name in columns)})"
        case EmptyColumns(table=table, columns=columns):
            return f"{table} ({', '.join(name for name, _ in columns)})"
        case SetIdentity(table=table, identity=new, was=was):
            before = "full or nothing" if was.full else _listed(was.columns)
            return f"{table} ({_change(before, _listed(new.columns))})"
        case SetSubscriptionConnection(subscription=subscription, keywords=keywords):
            return f"{subscription.name} ({', '.join(keywords)})"
        case SetSubscriptionOptions(subscription=new, was=was):
            return f"{new.name} ({_differences(new, was)})"
        case SetSubscriptionPublications(subscription=new, was=was):
            return f"{new.name} ({_change(_listed(was.publications), _listed(new.publications))})"
        case ResetColumn(unusual=one):
            usual = USUAL[one.catalog][one.column]
            values = _change(one.value, usual.value)
            return f"{one.column} of {one.name} ({values}; with the former {usual.means})"
        case RenewSlot(slot=slot, why=why):
            return f"{slot.name} ({why}: all that it feeds is copied again)"
        case ForgetProgress(subscription=subscription):
            return f"{subscription.name} (its source was put back to an earlier moment, or is a new one)"
        case RenewVersions(tables=tables, above=above):
            return f"{', '.join(map(str, tables))} (above {above}, which a subscriber holds)"
        case CopyAgain(subscription=subscription, table=table):
            return f"{table} by {subscription.name}"
        case RefreshSubscription(subscription=subscription, tables=tables):
            return f"{subscription.name} ({', '.join(map(str, tables))})"
        case _:
            value = getattr(change, dataclasses.fields(change)[1].name)
            return str(getattr(value, "name", None) or getattr(value, "table", value))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _change(before: str, after: str) -> str:
    return f"{before} -> {after}"


def _differences(new: RoleSpec | SubscriptionSpec, was: RoleSpec | SubscriptionSpec) -> str:
    """Name the fields that differ, options as `name value`."""
    said = []
    for field in dataclasses.fields(new):
        after, before = getattr(new, field.name), getattr(was, field.name)
        if field.name == "conninfo" or after == before or not field.compare:
            continue
        if isinstance(after, frozenset):
            added = [f"+{_pair(item)}" for item in sorted(after - before)]
            said += [*added, *(f"-{_pair(item)}" for item in sorted(before - after))]
        else:
            said.append(f"{field.name} {_change(str(before), str(after))}")
    return ", ".join(said)


def _pair(item: object) -> str:
    return " ".join(map(str, item)) if isinstance(item, tuple) else str(item)


def _table_differences(new: PublicationSpec, was: PublicationSpec) -> Iterable[str]:
    before = {part.table: part for part in was.tables}
    for part in sorted(new.tables, key=lambda part: part.table):
        old = before.pop(part.table, None)
        if old is None:
            yield f"+{part.table}"
            continue
        if old.columns != part.columns:
            yield _column_differences(part.columns, old.columns)
        if old.where != part.where:
            yield f"filter {_change(old.where or 'none', part.where or 'none')}"
    yield from (f"-{table}" for table in sorted(before))


def _column_differences(new: frozenset[str] | None, was: frozenset[str] | None) -> str:
    if new is None or was is None:
        return _change("every column" if was is None else _listed(was), _listed(new or ()))
    return ", ".join(
        [*(f"+{name}" for name in sorted(new - was)), *(f"-{name}" for name in sorted(was - new))]
    )


def _describe_grants(grants: tuple[GrantSpec, ...]) -> str:
    first = grants[0]
    columns = f" ({', '.join(grant.column for grant in grants)})" if first.column else ""
    return f"{first.privilege}{columns} on {first.kind} {first.target} for {first.role}"


def to_text(plan: Plan, *, agrees: bool = True) -> str:
    """Return a line a step: endpoint, consequence, what. agrees: nothing was refused or found beside."""
    if not plan.steps:
        return "in sync: nothing to do" if agrees else "no step to take; see what was refused or found"
    lines = [f"{step.endpoint:<8} {step.consequence:<12} {describe(step)}" for step in plan.steps]
    return "\n".join([*lines, f"{len(plan.steps)} steps; run 'ponte apply' to take them"])


def to_json(plan: Plan, *, refusals: Sequence[PonteError] = (), findings: Sequence[PonteError] = ()) -> str:
    """Return one object.

    `in_sync`; `steps` of endpoint, action, consequence, drops, what, sql; `refusals` and `findings` of
    kind, fact and hint.
    """
    steps = [
        {
            "endpoint": step.endpoint,
            "action": _words(type(step).__name__),
            "consequence": str(step.consequence),
            "drops": step.drops,
            "what": describe(step),
            "sql": statements(step),
        }
        for step in plan.steps
    ]
    shown = {
        "in_sync": not (plan.steps or refusals or findings),
        "steps": steps,
        "refusals": [_error(error) for error in refusals],
        "findings": [_error(error) for error in findings],
    }
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _error(error: PonteError) -> dict[str, str]:
    kind = _words(type(error).__name__.removesuffix("Error"))
    return {"kind": kind, "fact": error.fact, "hint": error.hint}


def to_script(plan: Plan) -> str:
    """Return the SQL that apply would run, a psql script with a part for each run of one endpoint."""
    lines: list[str] = []
    endpoint = ""
    for step in plan.steps:
        if step.endpoint != endpoint:
            endpoint = step.endpoint
            lines.append(f"\n-- on {endpoint}")
        lines.append(f"-- {describe(step)} ({step.consequence})")
        lines += [one if one.startswith("\\") else f"{one};" for one in statements(step)]
    return "\n".join(lines).strip()


def _compose(step: Change) -> list[Statement]:
    """Return what is run by hand, where that takes more than one session."""
    if isinstance(step, Backfill):
        return backfill_script(step)
    return [*wait_script(step), *to_sql(step)] if isinstance(step, EmptyColumns) else to_sql(step)


def statements(step: Change) -> list[str]:
    """Return the step's SQL as text; a role's password is asked for by psql, never printed."""
    printed = [statement.as_string() for statement in _compose(step)]
    if step.atomic:
        printed = ["BEGIN", *printed, "COMMIT"]
    if isinstance(step, CreateRole):
        printed.append(f"\\password {step.role.name}")
    return printed
