"""What differs on one endpoint, object by object: each difference gives exactly its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from publications.decide.changes.publications import (
    CreatePublication,
    CreateSlot,
    DropPublication,
    DropSlot,
)
from publications.decide.changes.roles import AddGrants, AlterRole, CreateRole, DropRole, RevokeGrants
from publications.decide.changes.subscriptions import (
    CreateSubscription,
    DropOrigin,
    DropSubscription,
)
from publications.decide.changes.tables import (
    CreateTable,
)
from publications.decide.diff import diff_endpoint
from publications.decide.spec import (
    EndpointSpec,
    GrantKind,
    GrantSpec,
    RoleSpec,
    SlotSpec,
)
from tests.live_ends import GRANT, PUBLICATION, ROLE, SLOT, SUBSCRIPTION, TABLE, WANTED, diff


def test_what_agrees_needs_nothing_and_what_is_missing_is_made() -> None:
    assert diff() == []
    assert diff_endpoint(WANTED, EndpointSpec("e")) == [
        CreateRole("e", ROLE),
        AddGrants("e", (GRANT,)),
        CreateTable("e", TABLE),
        CreatePublication("e", PUBLICATION),
        CreateSlot("e", SLOT),
        CreateSubscription("e", SUBSCRIPTION),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"replication": True},
        {"settings": frozenset()},
        {"settings": frozenset({("a", "2")})},
        {"powers": frozenset()},
        {"powers": frozenset({"member of pg_monitor", "bypassrls"})},
    ],
    ids=["replication", "no setting", "another setting", "no power", "a power more"],
)
def test_each_of_a_roles_attributes_counts(change: dict[str, Any]) -> None:
    was = replace(ROLE, **change)
    assert diff(roles={"ponte_api": was}) == [AlterRole("e", ROLE, was)]


def test_only_roles_of_ours_are_left_over() -> None:
    others = {name: RoleSpec(name) for name in ("ponte_b", "ponte_a", "postgres", "apponte_x")}
    assert diff(roles={"ponte_api": ROLE, **others}) == [DropRole("e", "ponte_a"), DropRole("e", "ponte_b")]


COLUMN, FUNCTION = replace(GRANT, column="nr"), GrantSpec("ponte_api", GrantKind.FUNCTION, "a.b()", "execute")


@pytest.mark.parametrize(
    "extra",
    [
        replace(GRANT, privilege="update"),
        COLUMN,
        FUNCTION,
        GrantSpec("ponte_api", GrantKind.SCHEMA, "v", "create"),
        replace(GRANT, target="v.imagens"),
    ],
    ids=lambda one: f"{one.privilege} on {one.kind} {one.target} {one.column}",
)
def test_a_grant_too_many_of_any_kind_is_taken_back(extra: GrantSpec) -> None:
    assert diff(grants=frozenset({GRANT, extra})) == [RevokeGrants("e", (extra,))]
    assert diff_endpoint(replace(WANTED, grants=frozenset({GRANT, extra})), WANTED) == [
        AddGrants("e", (extra,))
    ]


def test_what_goes_with_a_grant_on_the_whole_table_is_given_again_at_once() -> None:
    columns = (replace(COLUMN, column="id"), COLUMN)
    others = {replace(COLUMN, privilege="update"), replace(COLUMN, target="v.imagens")}
    wanted = replace(WANTED, grants=frozenset({*columns, *others, replace(COLUMN, role="ponte_b")}))
    [step] = diff_endpoint(wanted, replace(wanted, grants=wanted.grants | {GRANT}))
    assert step == RevokeGrants("e", (GRANT,), columns)
    taken = replace(COLUMN, column="more")
    assert diff_endpoint(wanted, replace(wanted, grants=wanted.grants | {taken})) == [
        RevokeGrants("e", (taken,))
    ]


def test_what_others_hold_is_their_own() -> None:
    assert diff(grants=frozenset({GRANT, replace(GRANT, role="ponte_gone")})) == []


def test_grants_are_said_together_where_one_statement_can_say_them_and_schemas_first() -> None:
    schema = GrantSpec("ponte_api", GrantKind.SCHEMA, "z", "usage")
    both = replace(COLUMN, column="id")
    extra = {
        FUNCTION,
        COLUMN,
        both,
        replace(GRANT, privilege="insert"),
        schema,
        replace(COLUMN, privilege="a"),
    }
    assert diff(grants=frozenset({GRANT, *extra})) == [
        RevokeGrants("e", (schema,)),
        RevokeGrants("e", (FUNCTION,)),
        RevokeGrants("e", (replace(COLUMN, privilege="a"),)),
        RevokeGrants("e", (replace(GRANT, privilege="insert"),)),
        RevokeGrants("e", (both, COLUMN)),
    ]


def named(kind: str, *names: str) -> Mapping[str, Any]:
    made: dict[str, Callable[[str], Any]] = {
        "slots": SlotSpec,
        "publications": lambda name: replace(PUBLICATION, name=name),
    }
    made["subscriptions"] = lambda name: replace(SUBSCRIPTION, name=name)
    return {kind: {**getattr(WANTED, kind), **{name: made[kind](name) for name in names}}}


def test_what_is_ours_and_not_declared_is_left_over_in_the_order_of_names() -> None:
    assert diff(**named("publications", "pub_b", "pub_a", "theirs", "my_pub_x")) == [
        DropPublication("e", "pub_a"),
        DropPublication("e", "pub_b"),
    ]
    assert diff(**named("subscriptions", "sub_b", "sub_a", "theirs")) == [
        DropSubscription("e", "sub_a"),
        DropSubscription("e", "sub_b"),
    ]
    assert diff(**named("slots", "slot_b", "slot_a", "theirs", "pg_x_sync_1_2")) == [
        DropSlot("e", SlotSpec("slot_a")),
        DropSlot("e", SlotSpec("slot_b")),
    ]
    assert diff(orphan_origins=frozenset({"pg_2", "pg_1"})) == [
        DropOrigin("e", "pg_1"),
        DropOrigin("e", "pg_2"),
    ]
