"""Compare what is wanted with what is live, object by object. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from publications.decide.changes.change import Consequence, Phase
from publications.decide.changes.publications import (
    CreatePublication,
    CreateSlot,
    DropPublication,
    DropSlot,
    ReplacePublication,
    SetOperations,
    SetPublishedTables,
    published_more,
)
from publications.decide.changes.roles import (
    AddGrants,
    AlterRole,
    CloseToAll,
    CreateRole,
    DropRole,
    RevokeGrants,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    CreateSubscription,
    DropOrigin,
    DropSubscription,
    EnableSubscription,
    RefreshSubscription,
    ResetColumn,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
)
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    CreateTable,
    SetIdentity,
    SetTrigger,
    StartHeart,
)
from publications.decide.columns import USUAL
from publications.decide.spec import (
    EndpointSpec,
    GrantSpec,
    IdentitySpec,
    PublicationSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableSpec,
    identity_index,
)
from publications.declare.names import TableName

OURS = {"publication": "pub_", "slot": "slot_", "subscription": "sub_", "role": "ponte_"}
"""An object with such a name that is not declared is a leftover of Ponte's; others are not touched."""

TABLE_COPY = re.compile(r"pg_\d+_sync_\d+_\d+")
"""The slots that PostgreSQL makes for the copy of one table."""


def diff_endpoint(wanted: EndpointSpec, live: EndpointSpec) -> list[Step]:
    """Return what must happen on one endpoint, in no order."""
    return [
        *_diff_roles(wanted.name, wanted.roles, live.roles),
        *_diff_grants(wanted.name, wanted.grants, live.grants, wanted.roles.keys()),
        *_diff_tables(wanted.name, wanted.tables, live.tables),
        *_diff_identities(wanted, live),
        *_diff_publications(wanted.name, wanted.publications, live.publications),
        *_reset_columns(wanted, live),
        *_diff_slots(wanted.name, wanted.slots, live.slots),
        *_diff_subscriptions(wanted.name, wanted.subscriptions, live.subscriptions),
        *([CloseToAll(wanted.name, tuple(sorted(live.open_to_all)))] if live.open_to_all else []),
        *(DropOrigin(wanted.name, name) for name in sorted(live.orphan_origins)),
    ]


def _leftovers(kind: str, wanted: Mapping[str, object], live: Mapping[str, object]) -> list[str]:
    return sorted(name for name in live if name not in wanted and name.startswith(OURS[kind]))


def _diff_roles(at: str, wanted: Mapping[str, RoleSpec], live: Mapping[str, RoleSpec]) -> Iterable[Step]:
    for name, role in wanted.items():
        if name not in live:
            yield CreateRole(at, role)
        elif live[name] != role:
            yield AlterRole(at, role, live[name])
    for name in _leftovers("role", wanted, live):
        yield DropRole(at, name)


def _diff_grants(
    at: str, wanted: frozenset[GrantSpec], live: frozenset[GrantSpec], roles: Collection[str]
) -> Iterable[Step]:
    """Compare what declared roles hold; a role that goes takes its grants with it."""
    for grants in _by_object(wanted - live):
        yield AddGrants(at, grants)
    for grants in _by_object(grant for grant in live - wanted if grant.role in roles):
        yield RevokeGrants(at, grants, _find_taken_along(grants[0], wanted))


def _find_taken_along(gone: GrantSpec, wanted: frozenset[GrantSpec]) -> tuple[GrantSpec, ...]:
    return tuple(sorted(one for one in wanted if one.column and replace(one, column="") == gone))


def _by_object(grants: Iterable[GrantSpec]) -> Iterable[tuple[GrantSpec, ...]]:
    """Group what one GRANT statement can say: a role, a privilege, an object, maybe columns."""
    groups: dict[tuple[str, ...], list[GrantSpec]] = defaultdict(list)
    for grant in sorted(grants):
        groups[grant.kind, grant.target, grant.role, grant.privilege, str(bool(grant.column))].append(grant)
    order = {"schema": 0, "table": 1, "function": 1}
    return [
        tuple(group) for _, group in sorted(groups.items(), key=lambda item: (order[item[0][0]], item[0]))
    ]


def _diff_tables(
    at: str, wanted: Mapping[TableName, TableSpec], live: Mapping[TableName, TableSpec]
) -> Iterable[Step]:
    for name, table in wanted.items():
        if name not in live:
            yield CreateTable(at, table)
            continue
        if table.filled and not live[name].filled:
            yield StartHeart(at, name)
        for column in table.columns.values():
            found = live[name].columns.get(column.name)
            if found is None:
                yield AddColumn(at, name, column)
            elif found.type != column.type:
                yield AlterColumnType(at, name, column)
        for trigger in sorted(table.triggers - live[name].triggers, key=lambda t: t.name):
            moves = Consequence.COPIES if trigger.projects else Consequence.LOCKS
            yield SetTrigger(at, name, trigger, moves)


def _diff_identities(wanted: EndpointSpec, live: EndpointSpec) -> Iterable[Step]:
    """A wider identity comes before the filter that needs it, a narrower one after it is gone."""
    for name, identity in wanted.identities.items():
        was = live.identities.get(name)
        if was is None or (was == identity and not was.full):
            continue
        key = live.keys.get(name, "id")
        held = frozenset() if was.full else was.columns
        if was.full or identity.columns - held:
            wide = IdentitySpec(identity.columns | held)
            yield SetIdentity(wanted.name, name, wide, was, key)
            was = replace(wide, index=identity_index(name, wide.columns, key))
        if was.columns != identity.columns:
            kept = any(
                part.table == name and part.where is not None
                for pub in _leftovers("publication", wanted.publications, live.publications)
                for part in live.publications[pub].tables
            )
            yield SetIdentity(wanted.name, name, identity, was, key, Phase.NARROWINGS, drops=kept)


def _diff_publications(
    at: str, wanted: Mapping[str, PublicationSpec], live: Mapping[str, PublicationSpec]
) -> Iterable[Step]:
    for name, publication in wanted.items():
        if name not in live:
            yield CreatePublication(at, publication)
            continue
        was = live[name]
        if was.everything:
            yield ReplacePublication(at, publication)
            continue
        if was.tables != publication.tables:
            yield _set_tables(at, publication, was)
        if was.operations != publication.operations:
            yield SetOperations(at, publication, was)
    for name in _leftovers("publication", wanted, live):
        yield DropPublication(at, name)


def _reset_columns(wanted: EndpointSpec, live: EndpointSpec) -> Iterable[Step]:
    ours = {*wanted.publications, *wanted.subscriptions}
    for one in live.unusual:
        if one.name in ours and USUAL[one.catalog][one.column].reset is not None:
            yield ResetColumn(wanted.name, one)


def _set_tables(at: str, new: PublicationSpec, was: PublicationSpec) -> Step:
    """Sending less is safe only after the subscriber no longer waits for it, so it goes last."""
    before = {table.table: table for table in was.tables}
    if any(published_more(table, before.get(table.table)) for table in new.tables):
        return SetPublishedTables(at, new, was)
    return SetPublishedTables(at, new, was, Consequence.HARMLESS, Phase.WITHDRAWALS)


def _diff_slots(at: str, wanted: Mapping[str, SlotSpec], live: Mapping[str, SlotSpec]) -> Iterable[Step]:
    for name, slot in wanted.items():
        if name not in live:
            yield CreateSlot(at, slot)
    for name, slot in sorted(live.items()):
        if _is_left_over(slot) and name not in wanted:
            yield DropSlot(at, slot)


def _is_left_over(slot: SlotSpec) -> bool:
    """A slot of ours that is not declared, or one of a table's copy that nobody uses."""
    return slot.name.startswith(OURS["slot"]) or (TABLE_COPY.match(slot.name) is not None and not slot.active)


def _diff_subscriptions(
    at: str, wanted: Mapping[str, SubscriptionSpec], live: Mapping[str, SubscriptionSpec]
) -> Iterable[Step]:
    for name, subscription in wanted.items():
        if name in live:
            yield from _diff_subscription(at, subscription, live[name])
        else:
            yield CreateSubscription(at, subscription)
    for name in _leftovers("subscription", wanted, live):
        yield DropSubscription(at, name)


def _diff_subscription(at: str, wanted: SubscriptionSpec, live: SubscriptionSpec) -> Iterable[Step]:
    if wanted.conninfo != live.conninfo:
        keywords = sorted({key for key, _ in wanted.conninfo ^ live.conninfo})
        yield SetSubscriptionConnection(at, wanted, tuple(keywords))
    if wanted.slot != live.slot:
        yield SetSubscriptionSlot(at, wanted)
    expected = wanted.while_copying if live.copying else wanted
    if expected.options != live.options:
        settled = live.options == wanted.while_copying.options
        yield SettleSubscription(at, wanted) if settled else SetSubscriptionOptions(at, expected, live)
    if wanted.enabled and not live.enabled:  # first: what is disabled learns of no table
        yield EnableSubscription(at, wanted)
    if wanted.publications != live.publications:
        yield SetSubscriptionPublications(at, wanted, live)
    elif wanted.tables != live.tables:
        yield RefreshSubscription(at, wanted, tuple(sorted(wanted.tables ^ live.tables)))
