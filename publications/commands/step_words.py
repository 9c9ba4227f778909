"""What a step does and to what, in one line for people. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import assert_never

from db.shown import show
from publications.decide.changes.publications import (
    CreatePublication,
    CreateSlot,
    DropPublication,
    DropSlot,
    PublisherStep,
    RenewSlot,
    ReplacePublication,
    SetOperations,
    SetPublishedTables,
)
from publications.decide.changes.roles import (
    AddGrants,
    AlterRole,
    CloseToAll,
    CreateRole,
    DropRole,
    RevokeGrants,
    RoleStep,
)
from publications.decide.changes.rows import (
    Backfill,
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
    RenewVersions,
    RowStep,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    CopyAgain,
    CreateSubscription,
    DropOrigin,
    DropSubscription,
    EnableSubscription,
    ForgetProgress,
    RefreshSubscription,
    ResetColumn,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
    SubscriberStep,
)
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    CreateTable,
    SetIdentity,
    SetTrigger,
    StartHeart,
    TableStep,
)
from publications.decide.columns import USUAL
from publications.decide.spec import COPY, SWEEP, GrantSpec, PublicationSpec, RoleSpec, SubscriptionSpec

_WHOLE = {SWEEP: "rows gone", COPY: "all rows"}


def describe(step: Step) -> str:
    """Say in one line what a step does and to what, such as `create publication pub_vps_pedidos`."""
    return show(f"{action_of(step)} {_name_subject(step)}")


def action_of(step: Step) -> str:
    """Return what the step's kind is called, such as `create publication`."""
    return split_words(type(step).__name__)


def split_words(name: str) -> str:
    """Turn `CreateRole` into `create role`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _name_subject(step: Step) -> str:
    if isinstance(step, RoleStep):
        return _name_role(step)
    if isinstance(step, TableStep):
        return _name_table(step)
    if isinstance(step, RowStep):
        return _name_rows(step)
    if isinstance(step, PublisherStep):
        return _name_publication(step)
    if isinstance(step, SubscriberStep):
        return _name_subscription(step)
    assert_never(step)


def _name_role(step: RoleStep) -> str:
    match step:
        case CreateRole(role=role):
            return role.name
        case AlterRole(role=role, was=was):
            return f"{role.name} ({_differences(role, was)})"
        case AddGrants(grants=grants) | RevokeGrants(grants=grants):
            return _describe_grants(grants)
        case CloseToAll(grants=grants):
            return _listed({f"{one.privilege} on {one.target.partition('(')[0]}" for one in grants})
        case DropRole(name=name):
            return name
        case _:
            assert_never(step)


def _name_table(step: TableStep) -> str:
    match step:
        case CreateTable(table=made):
            return str(made.table)
        case StartHeart(table=table):
            return str(table)
        case AddColumn(table=table, column=column) | AlterColumnType(table=table, column=column):
            return f"{table}.{column.name} {column.type}"
        case SetIdentity(table=table, identity=new, was=was):
            before = "full or nothing" if was.full else _listed(was.columns)
            return f"{table} ({_change(before, _listed(new.columns))})"
        case SetTrigger(table=table, trigger=trigger):
            return f"{trigger.name} on {table}{' (all rows projected again)' if trigger.projects else ''}"
        case _:
            assert_never(step)


def _name_rows(step: RowStep) -> str:
    match step:
        case MarkBackfill() | ForgetMarks() | Backfill():
            return f"{step.table} ({', '.join(_WHOLE.get(name, name) for name in step.columns)})"
        case EmptyColumns(table=table, columns=columns):
            return f"{table} ({', '.join(name for name, _ in columns)})"
        case RenewVersions(tables=tables, above=above):
            return f"{', '.join(map(str, tables))} (above {above}, which a subscriber holds)"
        case NoteGap(gap=gap) | CloseGap(gap=gap):
            return f"between beats {gap.after_beat} and {gap.beat}" if gap else "that the new slot leaves"
        case _:
            assert_never(step)


def _name_publication(step: PublisherStep) -> str:
    match step:
        case CreatePublication() | ReplacePublication():
            return step.publication.name
        case SetPublishedTables(publication=new, was=was):
            return f"{new.name} ({'; '.join(_table_differences(new, was))})"
        case SetOperations(publication=new, was=was):
            return f"{new.name} ({_change(_listed(was.operations), _listed(new.operations))})"
        case DropPublication(name=name):
            return name
        case CreateSlot(slot=slot) | DropSlot(slot=slot):
            return slot.name
        case RenewSlot(slot=slot, why=why):
            return f"{slot.name} ({why}: all that it feeds is copied again)"
        case _:
            assert_never(step)


def _name_subscription(step: SubscriberStep) -> str:  # noqa: PLR0911  # one short arm per kind
    match step:
        case CreateSubscription() | EnableSubscription() | SetSubscriptionSlot() | SettleSubscription():
            return step.subscription.name
        case SetSubscriptionConnection(subscription=new, keywords=keywords):
            return f"{new.name} ({', '.join(keywords)})"
        case SetSubscriptionOptions(subscription=new, was=was):
            return f"{new.name} ({_differences(new, was)})"
        case SetSubscriptionPublications(subscription=new, was=was):
            return f"{new.name} ({_change(_listed(was.publications), _listed(new.publications))})"
        case RefreshSubscription(subscription=known, tables=tables):
            return f"{known.name} ({', '.join(map(str, tables))})"
        case CopyAgain(subscription=known, table=table):
            return f"{table} by {known.name}"
        case ForgetProgress(subscription=known):
            return f"{known.name} (its source was put back to an earlier moment, or is a new one)"
        case ResetColumn(unusual=one):
            usual = USUAL[one.catalog][one.column]
            values = _change(one.value, usual.value)
            return f"{one.column} of {one.name} ({values}; with the former {usual.means})"
        case DropOrigin() | DropSubscription():
            return step.name
        case _:
            assert_never(step)


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
