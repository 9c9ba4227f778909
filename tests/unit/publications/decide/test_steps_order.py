"""In which order steps run, and what of a copy is settled once at the end."""

from __future__ import annotations

from dataclasses import replace

from publications.decide.changes.publications import (
    DropSlot,
)
from publications.decide.changes.roles import CreateRole, DropRole
from publications.decide.changes.subscriptions import (
    CopyAgain,
    CreateSubscription,
    RefreshSubscription,
    SettleSubscription,
)
from publications.decide.plan import Plan, make_plan
from publications.decide.spec import (
    EndpointSpec,
    HopSpec,
    RoleSpec,
    SlotSpec,
)
from tests.live_ends import PEDIDOS, PUBLICATION, SLOT, SUBSCRIPTION
from tests.unit.publications.decide.test_diff_publications import CAREFUL

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
