"""What differs on one endpoint, object by object: each difference gives exactly its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

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
from publications.decide.changes.roles import AddGrants, AlterRole, CreateRole, DropRole, RevokeGrants
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    CopyAgain,
    CreateSubscription,
    DropOrigin,
    DropSubscription,
    EnableSubscription,
    RefreshSubscription,
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
from publications.decide.diff import diff_endpoint
from publications.decide.plan import Plan, make_plan
from publications.decide.spec import (
    ColumnSpec,
    EndpointSpec,
    GrantKind,
    GrantSpec,
    HopSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableSpec,
    TriggerSpec,
    identity_index,
)
from publications.declare.names import TableName

PEDIDOS, IMAGENS = TableName("v", "pedidos"), TableName("v", "imagens")
ROLE = RoleSpec("ponte_api", settings=frozenset({("a", "1")}), powers=frozenset({"member of pg_monitor"}))
GRANT = GrantSpec("ponte_api", GrantKind.TABLE, "v.pedidos", "select")
TRIGGER = TriggerSpec("project", "projection.project", projects=True)
TABLE = TableSpec(PEDIDOS, {"id": ColumnSpec("id", "integer")}, ("id",), frozenset({TRIGGER}), filled=True)
PART = PublishedTableSpec(PEDIDOS, frozenset({"id", "nr"}))
PUBLICATION = PublicationSpec("pub_p", frozenset({PART}), frozenset({"insert", "update"}))
SLOT = SlotSpec("slot_v", active=True)
SUBSCRIPTION = SubscriptionSpec(
    name="sub_v",
    slot="slot_v",
    publications=frozenset({"pub_p"}),
    conninfo=frozenset({("host", "h"), ("user", "u")}),
    options=frozenset({("synchronous_commit", "off"), ("binary", "false")}),
    tables=frozenset({PEDIDOS}),
)
KEY = IdentitySpec(frozenset({"id"}))
WANTED = EndpointSpec(
    "e",
    roles={"ponte_api": ROLE},
    grants=frozenset({GRANT}),
    tables={PEDIDOS: TABLE},
    identities={PEDIDOS: KEY},
    keys={PEDIDOS: "id"},
    publications={"pub_p": PUBLICATION},
    slots={"slot_v": SLOT},
    subscriptions={"sub_v": SUBSCRIPTION},
)


def diff(**live: Any) -> list[Step]:
    """Return the steps where all is as wanted but for what is given."""
    return diff_endpoint(WANTED, replace(WANTED, **live))


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


def table(**change: Any) -> dict[TableName, TableSpec]:
    return {PEDIDOS: replace(TABLE, **change)}


def test_a_tables_columns_are_made_and_mended() -> None:
    column = TABLE.columns["id"]
    assert diff(tables=table(columns={})) == [AddColumn("e", PEDIDOS, column)]
    other = {"id": ColumnSpec("id", "bigint"), "more": ColumnSpec("more", "text")}
    assert diff(tables=table(columns=other)) == [AlterColumnType("e", PEDIDOS, column)]
    assert diff(tables=table(columns={"id": replace(column, not_null=True)})) == []


def test_a_heart_without_its_row_is_started_and_only_a_heart() -> None:
    assert diff(tables=table(filled=False)) == [StartHeart("e", PEDIDOS)]
    landing = replace(WANTED, tables=table(filled=False))
    assert diff_endpoint(landing, replace(WANTED, tables=table(filled=False))) == []


@pytest.mark.parametrize(
    "change", [{"name": "old"}, {"function": "a.b"}, {"always": False}], ids=lambda one: next(iter(one))
)
def test_a_trigger_that_differs_is_set_and_projects_again(change: dict[str, Any]) -> None:
    was = replace(TRIGGER, **change)
    step = SetTrigger("e", PEDIDOS, TRIGGER, Consequence.COPIES)
    assert diff(tables=table(triggers=frozenset({was}))) == [step]


def test_triggers_are_set_by_name_and_only_a_projection_moves_rows() -> None:
    land = TriggerSpec("land", "projection.land")
    wanted = replace(WANTED, tables=table(triggers=frozenset({TRIGGER, land})))
    assert diff_endpoint(wanted, replace(WANTED, tables=table(triggers=frozenset()))) == [
        SetTrigger("e", PEDIDOS, land, Consequence.LOCKS),
        SetTrigger("e", PEDIDOS, TRIGGER, Consequence.COPIES),
    ]
    assert diff(tables=table(triggers=frozenset({TRIGGER, land}))) == []


def identify(wanted: IdentitySpec, was: IdentitySpec, **live: Any) -> list[Step]:
    return diff_endpoint(
        replace(WANTED, identities={PEDIDOS: wanted}), replace(WANTED, identities={PEDIDOS: was}, **live)
    )


WIDE = IdentitySpec(frozenset({"id", "a"}))
OTHER = IdentitySpec(frozenset({"id", "b"}), index="by_hand")


def test_an_identity_widens_before_and_narrows_after() -> None:
    assert identify(WIDE, KEY) == [SetIdentity("e", PEDIDOS, WIDE, KEY, "id", Phase.RECEIVING_TABLES)]
    assert identify(KEY, WIDE) == [SetIdentity("e", PEDIDOS, KEY, WIDE, "id", Phase.NARROWINGS, drops=False)]
    both = IdentitySpec(frozenset({"id", "a", "b"}))
    assert identify(WIDE, OTHER) == [
        SetIdentity("e", PEDIDOS, both, OTHER, "id"),
        SetIdentity(
            "e", PEDIDOS, WIDE, replace(both, index="ponte_identity_pedidos_a_b"), "id", Phase.NARROWINGS
        ),
    ]
    [_, narrowing] = identify(WIDE, OTHER)
    assert isinstance(narrowing, SetIdentity)
    assert narrowing.was.index == identity_index(PEDIDOS, both.columns, "id"), "which index goes"


@pytest.mark.parametrize("columns", [frozenset(), frozenset({"id"})])
def test_a_full_identity_is_mended_at_once(columns: frozenset[str]) -> None:
    full = IdentitySpec(columns, full=True)
    assert identify(KEY, full) == [SetIdentity("e", PEDIDOS, KEY, full, "id")]
    assert identify(WIDE, full) == [SetIdentity("e", PEDIDOS, WIDE, full, "id")]


def test_a_table_that_is_not_there_yet_has_no_identity_to_set_and_another_key_is_said() -> None:
    assert diff(identities={}) == []
    named = replace(WANTED, identities={PEDIDOS: WIDE})
    live = replace(WANTED, identities={PEDIDOS: KEY})
    for keys, key in (({PEDIDOS: "nr"}, "nr"), ({}, "id")):
        [step] = diff_endpoint(named, replace(live, keys=keys))
        assert isinstance(step, SetIdentity)
        assert step.key == key


@pytest.mark.parametrize(
    ("part", "drops"),
    [
        (replace(PART, where="(a = 1)"), True),
        (PART, False),
        (replace(PART, table=IMAGENS, where="(a = 1)"), False),
    ],
    ids=["filters", "no filter", "another table"],
)
def test_an_identity_that_a_leftover_still_filters_by_goes_with_it(
    part: PublishedTableSpec, drops: bool
) -> None:
    left = replace(PUBLICATION, name="pub_old", tables=frozenset({part}))
    steps = identify(KEY, WIDE, publications={"pub_p": PUBLICATION, "pub_old": left})
    assert steps == [
        SetIdentity("e", PEDIDOS, KEY, WIDE, "id", Phase.NARROWINGS, drops=drops),
        DropPublication("e", "pub_old"),
    ]


def publish(**change: Any) -> list[Step]:
    return diff(publications={"pub_p": replace(PUBLICATION, **change)})


def parts(**change: Any) -> frozenset[PublishedTableSpec]:
    return frozenset({replace(PART, **change)})


MORE = (Consequence.LEAKS, Phase.PUBLICATIONS)
LESS = (Consequence.HARMLESS, Phase.WITHDRAWALS)


@pytest.mark.parametrize(
    ("columns", "where", "direction"),
    [
        (frozenset({"id"}), None, MORE),
        (frozenset({"id", "nr", "more"}), None, LESS),
        (frozenset({"id", "more"}), None, MORE),
        (None, None, LESS),
        (frozenset({"id", "nr"}), "(a = 1)", MORE),
    ],
)
def test_sending_more_leaks_and_sending_less_waits(
    columns: frozenset[str] | None, where: str | None, direction: tuple[Consequence, Phase]
) -> None:
    was = replace(PUBLICATION, tables=parts(columns=columns, where=where))
    assert diff(publications={"pub_p": was}) == [SetPublishedTables("e", PUBLICATION, was, *direction)]


def test_a_table_that_is_sent_anew_leaks_and_one_too_many_waits() -> None:
    other = PublishedTableSpec(IMAGENS, frozenset({"id"}))
    for tables, direction in ((frozenset({other}), MORE), (frozenset({PART, other}), LESS)):
        was = replace(PUBLICATION, tables=tables)
        assert diff(publications={"pub_p": was}) == [SetPublishedTables("e", PUBLICATION, was, *direction)]


def test_every_column_is_more_than_some_and_no_more_than_every() -> None:
    every = replace(PART, columns=None)
    assert published_more(every, PART)
    assert not published_more(every, every)
    assert not published_more(PART, every)
    assert published_more(PART, None)


def test_operations_are_set_and_a_publication_of_everything_is_made_anew() -> None:
    was = replace(PUBLICATION, operations=frozenset({"insert"}))
    assert publish(operations=frozenset({"insert"})) == [SetOperations("e", PUBLICATION, was)]
    assert len(publish(operations=frozenset(), tables=frozenset())) == 2
    assert publish(everything=True, tables=frozenset(), operations=frozenset()) == [
        ReplacePublication("e", PUBLICATION)
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


def test_the_slot_of_a_tables_copy_is_left_over_once_nobody_uses_it() -> None:
    idle, used = SlotSpec("pg_1_sync_2_3"), SlotSpec("pg_1_sync_2_4", active=True)
    slots = {**WANTED.slots, idle.name: idle, used.name: used}
    assert diff(slots=slots) == [DropSlot("e", idle)]


def subscribe(**change: Any) -> list[Step]:
    return diff(subscriptions={"sub_v": replace(SUBSCRIPTION, **change)})


CAREFUL = SUBSCRIPTION.while_copying.options


def test_while_copying_all_is_as_declared_but_for_when_it_commits() -> None:
    assert SUBSCRIPTION.while_copying == replace(
        SUBSCRIPTION, options=frozenset({("synchronous_commit", "on"), ("binary", "false")})
    )


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (
            {"conninfo": frozenset({("host", "x"), ("user", "u"), ("port", "1")})},
            SetSubscriptionConnection("e", SUBSCRIPTION, ("host", "port")),
        ),
        ({"slot": None}, SetSubscriptionSlot("e", SUBSCRIPTION)),
        ({"slot": "slot_old"}, SetSubscriptionSlot("e", SUBSCRIPTION)),
        ({"options": CAREFUL}, SettleSubscription("e", SUBSCRIPTION)),
        ({"tables": frozenset()}, RefreshSubscription("e", SUBSCRIPTION, (PEDIDOS,))),
        (
            {"tables": frozenset({PEDIDOS, IMAGENS})},
            RefreshSubscription("e", SUBSCRIPTION, (IMAGENS,)),
        ),
        (
            {"tables": frozenset({IMAGENS})},
            RefreshSubscription("e", SUBSCRIPTION, (IMAGENS, PEDIDOS)),
        ),
        ({"enabled": False}, EnableSubscription("e", SUBSCRIPTION)),
    ],
    ids=[
        "connection",
        "no slot",
        "another slot",
        "careful",
        "knows no table",
        "one too many",
        "another",
        "off",
    ],
)
def test_each_difference_of_a_subscription_gives_its_step(change: dict[str, Any], step: Step) -> None:
    assert subscribe(**change) == [step]


@pytest.mark.parametrize("copying", [frozenset(), frozenset({PEDIDOS})], ids=["settled", "copying"])
def test_a_subscriptions_options_are_those_of_the_moment(copying: frozenset[TableName]) -> None:
    was = replace(SUBSCRIPTION, options=frozenset({("binary", "true")}), copying=copying)
    wanted = SUBSCRIPTION.while_copying if copying else SUBSCRIPTION
    assert diff(subscriptions={"sub_v": was}) == [SetSubscriptionOptions("e", wanted, was)]
    assert subscribe(copying=copying, options=wanted.options) == []


def test_other_publications_are_set_and_bring_their_tables() -> None:
    was = replace(SUBSCRIPTION, publications=frozenset({"pub_old"}), tables=frozenset())
    assert diff(subscriptions={"sub_v": was}) == [SetSubscriptionPublications("e", SUBSCRIPTION, was)]


def test_one_that_is_to_stand_still_is_not_enabled() -> None:
    off = replace(SUBSCRIPTION, enabled=False)
    wanted = replace(WANTED, subscriptions={"sub_v": off})
    assert diff_endpoint(wanted, wanted) == []
    assert diff_endpoint(wanted, WANTED) == []


HOP = HopSpec("one", "two", "sub_v", {PEDIDOS: "pub_p"}, {PEDIDOS: "id"}, {})
ORDER = ("one", "two", "three")


def plan(wanted: dict[str, EndpointSpec], live: dict[str, EndpointSpec], *hops: HopSpec) -> Plan:
    bare = {name: EndpointSpec(name) for name in ORDER}
    return make_plan(bare | wanted, bare | live, order=ORDER, hops=hops)


def test_steps_run_by_phase_then_from_the_source_and_withdrawals_from_the_far_end() -> None:
    roles = {name: EndpointSpec(name, roles={"ponte_a": RoleSpec("ponte_a")}) for name in ORDER}
    left = {
        name: EndpointSpec(
            name, roles={"ponte_b": RoleSpec("ponte_b")}, slots=dict.fromkeys(["slot_x"], SLOT)
        )
        for name in ORDER
    }
    steps = plan(roles, left).steps
    assert [(type(step), step.endpoint) for step in steps] == [
        *((CreateRole, name) for name in ORDER),
        *((kind, name) for name in reversed(ORDER) for kind in (DropRole, DropSlot)),
    ]
    assert plan(roles, left).drops == steps[3:]
    assert plan(roles, left).without_drops() == Plan(steps[:3])


SENDING = EndpointSpec("one", publications={"pub_p": PUBLICATION}, slots={"slot_v": SLOT})
RECEIVING = EndpointSpec("two", subscriptions={"sub_v": SUBSCRIPTION})
ENDS = {"one": SENDING, "two": RECEIVING}


def test_what_begins_a_copy_is_settled_once_at_the_end() -> None:
    settled = SettleSubscription("two", SUBSCRIPTION)
    assert plan(ENDS, ENDS, HOP).steps == ()
    lost = plan(ENDS, ENDS | {"one": replace(SENDING, slots={})}, HOP).steps
    assert [type(step) for step in lost].count(CopyAgain) == 1
    assert [step for step in lost if isinstance(step, SettleSubscription)] == [settled]
    first = plan(ENDS, {"one": SENDING}, HOP).steps
    assert first == (CreateSubscription("two", SUBSCRIPTION), settled)
    careful = replace(SUBSCRIPTION, options=CAREFUL)
    at_once = ENDS | {"two": replace(RECEIVING, subscriptions={"sub_v": careful})}
    assert plan(at_once, {"one": SENDING}, HOP).steps == (CreateSubscription("two", careful),)
    forgotten = replace(SUBSCRIPTION, options=CAREFUL, tables=frozenset())
    again = plan(ENDS, ENDS | {"two": replace(RECEIVING, subscriptions={"sub_v": forgotten})}, HOP).steps
    assert again == (RefreshSubscription("two", SUBSCRIPTION, (PEDIDOS,)), settled)


def test_the_slot_of_a_copy_that_runs_is_left_to_it_and_every_other_goes() -> None:
    copy = SlotSpec("pg_1_sync_2_3")
    slots = {"slot_v": SLOT, copy.name: copy, "slot_old": SlotSpec("slot_old")}
    busy = replace(SUBSCRIPTION.while_copying, copying=frozenset({PEDIDOS}))
    for known, dropped in ((busy, ["slot_old"]), (SUBSCRIPTION, ["pg_1_sync_2_3", "slot_old"])):
        live = {
            "one": replace(SENDING, slots=slots),
            "two": EndpointSpec("two", subscriptions={"sub_v": known}),
            "three": EndpointSpec("three", slots={copy.name: copy}),
        }
        steps = plan(ENDS, live, HOP).steps
        assert [
            step.slot.name for step in steps if isinstance(step, DropSlot) and step.endpoint == "one"
        ] == dropped
        assert [step.endpoint for step in steps if step == DropSlot("three", copy)] == ["three"]
