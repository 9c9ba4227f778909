"""The deciding parts as text: what differs, in which order, as which SQL."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from db.errors import PonteError
from publications.commands.plan_text import statements, to_json, to_script, to_text
from publications.commands.step_words import describe
from publications.decide.changes.change import Consequence, Phase
from publications.decide.changes.pushes import DropPush
from publications.decide.changes.roles import AlterRole, CreateRole, RevokeGrants
from publications.decide.changes.rows import EmptyColumns
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    CopyAgain,
    CreateSubscription,
    DropSubscription,
    RefreshSubscription,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SettleSubscription,
)
from publications.decide.diff import diff_endpoint
from publications.decide.filters import Filter
from publications.decide.hops import derive_hops
from publications.decide.plan import Plan, make_plan
from publications.decide.spec import EndpointSpec, PublishedTableSpec, SlotSpec
from publications.decide.wanted import derive_wanted
from publications.declare.declaration import (
    STARTING_PATH,
    Declaration,
    parse_declaration,
    read_declaration,
)
from publications.declare.names import TableName
from publications.declare.rewrite import set_transport

PEDIDOS = TableName("vitrine", "pedidos")


@pytest.fixture
def declaration() -> Declaration:
    return read_declaration(STARTING_PATH)


@pytest.fixture
def wanted(declaration: Declaration) -> dict[str, EndpointSpec]:
    return derive_wanted(declaration, source={}, conninfos={}, filters={})


def plan_from(
    declaration: Declaration, wanted: dict[str, EndpointSpec], live: dict[str, EndpointSpec]
) -> Plan:
    return make_plan(wanted, live, order=declaration.endpoints, hops=derive_hops(declaration, {}))


def nothing(declaration: Declaration) -> dict[str, EndpointSpec]:
    return {name: EndpointSpec(name) for name in declaration.endpoints}


def test_what_is_wanted_needs_nothing(wanted: dict[str, EndpointSpec]) -> None:
    assert [step for spec in wanted.values() for step in diff_endpoint(spec, spec)] == []


def test_an_empty_shop_is_built_receivers_first(
    declaration: Declaration, wanted: dict[str, EndpointSpec]
) -> None:
    lines = [
        f"{s.endpoint}: {describe(s)}" for s in plan_from(declaration, wanted, nothing(declaration)).steps
    ]
    places = [
        lines.index(line)
        for line in (
            "sgp: create role ponte_intake",
            "vitrine: create table public.pedidos",
            "sgp: create publication pub_intake_pedidos",
            "sgp: create slot slot_intake",
            "vitrine: create subscription sub_intake",
            "vps: create subscription sub_vps",
        )
    ]
    assert places == sorted(places)
    assert len(lines) == len(set(lines))


def one_publication(wanted: dict[str, EndpointSpec], **change: object) -> EndpointSpec:
    """The vitrine with another pub_vps_pedidos."""
    spec = wanted["vitrine"]
    old = spec.publications["pub_vps_pedidos"]
    [table] = old.tables
    new = replace(old, tables=frozenset({replace(table, **change)}))  # type: ignore[arg-type]
    return replace(spec, publications={**spec.publications, "pub_vps_pedidos": new})


def test_sending_more_leaks_and_sending_less_goes_last(wanted: dict[str, EndpointSpec]) -> None:
    [table] = wanted["vitrine"].publications["pub_vps_pedidos"].tables
    assert table.columns is not None
    less = one_publication(wanted, columns=table.columns - {"cliente"})
    [more_step] = diff_endpoint(wanted["vitrine"], less)
    [less_step] = diff_endpoint(less, wanted["vitrine"])
    assert more_step.consequence is Consequence.LEAKS
    assert less_step.consequence is Consequence.HARMLESS
    assert more_step.phase < less_step.phase
    assert describe(more_step) == "set published tables pub_vps_pedidos (+cliente)"
    assert describe(less_step) == "set published tables pub_vps_pedidos (-cliente)"


def test_publishing_every_column_is_a_leak_to_be_undone(wanted: dict[str, EndpointSpec]) -> None:
    [step] = diff_endpoint(wanted["vitrine"], one_publication(wanted, columns=None))
    assert describe(step).startswith("set published tables pub_vps_pedidos (every column -> ")


def test_a_leftover_slot_of_a_running_copy_is_none(
    declaration: Declaration, wanted: dict[str, EndpointSpec]
) -> None:
    slots = {**wanted["vitrine"].slots, "pg_1_sync_2_3": SlotSpec("pg_1_sync_2_3")}
    live = {**wanted, "vitrine": replace(wanted["vitrine"], slots=slots)}
    assert [describe(step) for step in plan_from(declaration, wanted, live).steps] == [
        "drop slot pg_1_sync_2_3"
    ]
    known = replace(wanted["vps"].subscriptions["sub_vps"].while_copying, copying=frozenset({PEDIDOS}))
    live["vps"] = replace(wanted["vps"], subscriptions={"sub_vps": known})
    assert plan_from(declaration, wanted, live).steps == ()


def subscribed(wanted: dict[str, EndpointSpec], **change: object) -> EndpointSpec:
    """Return the VPS with a subscription that differs."""
    spec = wanted["vps"]
    subscription = replace(spec.subscriptions["sub_vps"], **change)  # type: ignore[arg-type]
    return replace(spec, subscriptions={"sub_vps": subscription})


def test_a_subscription_commits_at_once_while_it_copies(wanted: dict[str, EndpointSpec]) -> None:
    spec = wanted["vps"]
    subscription = spec.subscriptions["sub_vps"]
    careful = subscription.while_copying.options
    assert ("synchronous_commit", "off") in subscription.options
    assert ("synchronous_commit", "on") in careful

    def diff(**live: object) -> list[Step]:
        return diff_endpoint(spec, subscribed(wanted, **live))

    copying = frozenset({PEDIDOS})
    assert diff(options=careful, copying=copying) == []
    [hasty] = diff(copying=copying)
    assert isinstance(hasty, SetSubscriptionOptions)
    assert hasty.subscription.options == careful
    assert diff(options=careful) == [SettleSubscription("vps", subscription)]


def test_what_copies_commits_at_once_first(wanted: dict[str, EndpointSpec]) -> None:
    subscription = wanted["vps"].subscriptions["sub_vps"]
    for step in (
        CreateSubscription("vps", subscription),
        RefreshSubscription("vps", subscription, (PEDIDOS,)),
        SetSubscriptionPublications("vps", subscription, subscription),
        CopyAgain("vps", subscription, "pub_vps_pedidos", PEDIDOS),
    ):
        assert "synchronous_commit = 'on'" in statements(step)[0], step
        assert "synchronous_commit = 'off'" not in "".join(statements(step))
    settling = statements(SettleSubscription("vps", subscription))
    assert "srsubstate <> 'r'" in settling[0]
    assert "synchronous_commit = 'off'" in settling[1]


def test_a_plan_that_copies_ends_by_settling(
    declaration: Declaration, wanted: dict[str, EndpointSpec]
) -> None:
    steps = plan_from(declaration, wanted, nothing(declaration)).steps
    assert steps[-1] == SettleSubscription("vps", wanted["vps"].subscriptions["sub_vps"])
    assert sum(isinstance(step, SettleSubscription) for step in steps) == 1


def test_a_lost_slot_settles_once(declaration: Declaration, wanted: dict[str, EndpointSpec]) -> None:
    live = {**wanted, "vitrine": replace(wanted["vitrine"], slots={})}
    steps = plan_from(declaration, wanted, live).steps
    assert sum(isinstance(step, CopyAgain) for step in steps) > 1
    assert sum(isinstance(step, SettleSubscription) for step in steps) == 1


def test_what_is_emptied_by_hand_waits_for_what_was_sent() -> None:
    step = EmptyColumns("vps", PEDIDOS, (("observacao", "NULL"),), "vitrine", "slot_vps")
    lines = to_script(Plan((step,))).splitlines()
    assert "confirmed_flush_lsn >= pg_current_wal_lsn()" in lines[2]
    assert [line for line in lines if line.startswith("\\") and line.endswith(";")] == []
    assert lines.index("\\prompt 'Enter when it does ' done") < next(
        number for number, line in enumerate(lines) if line.startswith("UPDATE")
    )


def test_a_filter_makes_its_columns_part_of_the_identity(declaration: Declaration) -> None:
    export = declaration.exports[0]
    tables = tuple(
        table.model_copy(update={"where": "status = 'x'"}) if table.name == PEDIDOS else table
        for table in export.tables
    )
    filtered = declaration.model_copy(update={"exports": (export.model_copy(update={"tables": tables}),)})
    filters = {(PEDIDOS, "status = 'x'"): Filter("(status = 'x'::text)", frozenset({"status"}))}
    wanted = derive_wanted(filtered, source={}, conninfos={}, filters=filters)["vitrine"]
    assert wanted.identities[PEDIDOS].columns == {"id", "status"}
    assert wanted.publications["pub_vps_pedidos"].tables == {
        PublishedTableSpec(PEDIDOS, frozenset(tables[0].columns), "(status = 'x'::text)")
    }


def test_every_step_has_sql_and_no_password(
    declaration: Declaration, wanted: dict[str, EndpointSpec]
) -> None:
    plan = plan_from(declaration, wanted, nothing(declaration))
    for step in plan.steps:
        assert statements(step)
    roles = [step for step in plan.steps if isinstance(step, CreateRole)]
    assert [statements(step)[-2:] for step in roles] == [
        [f"\\password {step.role.name}", "COMMIT"] for step in roles
    ]
    script = to_script(plan)
    assert "PASSWORD '" not in script
    assert script.count("-- on ") >= len(declaration.endpoints)


def test_plans_are_text_and_json(declaration: Declaration, wanted: dict[str, EndpointSpec]) -> None:
    empty = Plan(())
    assert to_text(empty) == "in sync: nothing to do"
    assert json.loads(to_json(empty)) == {"in_sync": True, "steps": [], "refusals": [], "findings": []}
    assert json.loads(to_json(empty, findings=[PonteError("a fact", "a hint")]))["in_sync"] is False
    plan = plan_from(declaration, wanted, nothing(declaration))
    shown = json.loads(to_json(plan))
    assert shown["in_sync"] is False
    assert len(shown["steps"]) == len(plan.steps)
    assert {"endpoint", "action", "consequence", "drops", "what", "sql"} == shown["steps"][0].keys()


def test_every_kind_of_change_has_its_words_and_phase() -> None:
    kinds = get_args(Step)
    assert len(kinds) > 20
    written_by_dataclass = [kind for kind in kinds if str(kind.__doc__).startswith(f"{kind.__name__}(")]
    assert written_by_dataclass == [], "it has no words of its own"
    assert [kind for kind in kinds if "phase" not in vars(kind) and kind.phase is not Phase.ROLES] == []
    assert {kind.phase for kind in kinds} == set(Phase) - {Phase.NARROWINGS}
    assert {kind.consequence for kind in kinds} == set(Consequence)
    taken_away = {kind.__name__ for kind in kinds if kind.drops}
    assert taken_away == {kind.__name__ for kind in kinds if kind.__name__.startswith("Drop")}


def test_who_carries_keeps_its_rights_until_it_is_dropped(declaration: Declaration) -> None:
    pushed = parse_declaration(set_transport(STARTING_PATH.read_text(), "vps", "push") or "", origin="test")
    conninfos = {"sub_vps": {"user": "ponte_export_vps"}}
    both = [derive_wanted(one, source={}, conninfos=conninfos, filters={}) for one in (declaration, pushed)]
    for here, there, live, gone, right in (
        (pushed, both[1], both[0], DropSubscription, AlterRole),  # REPLICATION
        (declaration, both[0], both[1], DropPush, RevokeGrants),  # functions
    ):
        plan = plan_from(here, there, live)
        drops = [type(step) for step in plan.drops]
        assert drops.index(gone) < drops.index(right)
        assert right is AlterRole or not any(type(step) is right for step in plan.without_drops().steps)
