"""What is pushed, what is open to all and what no ALTER of ours set: each difference gives its steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publications.decide.changes.publications import CreateSlot, RenewSlot
from publications.decide.changes.pushes import DropPush, SetPush
from publications.decide.changes.roles import CloseToAll
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import ResetColumn
from publications.decide.columns import USUAL
from publications.decide.diff import diff_endpoint
from publications.decide.spec import GrantKind, GrantSpec, PushSpec, SlotSpec, Unusual
from tests.live_ends import PUBLICATION, SLOT, WANTED, diff

PUSH = PushSpec("vps", "ponte_push", "slot_push", frozenset({PUBLICATION.name}))
SLOTS = {SLOT.name: SLOT, PUSH.slot: SlotSpec(PUSH.slot)}
PUSHING = replace(WANTED, pushes={PUSH.subscriber: PUSH}, slots=SLOTS)


def diff_pushing(**live: Any) -> list[Step]:
    """Return the steps where all is as wanted, the push too, but for what is given."""
    return diff_endpoint(PUSHING, replace(PUSHING, **live))


def test_a_push_as_it_should_be_needs_nothing_and_one_that_is_not_there_is_set() -> None:
    assert diff_pushing() == []
    assert diff_pushing(pushes={}) == [SetPush("e", PUSH)]
    assert diff_pushing(pushes={"vps": replace(PUSH, role="another")}) == [SetPush("e", PUSH)]


def test_what_is_let_out_in_another_way_is_sent_again_as_a_whole() -> None:
    other = replace(PUBLICATION, operations=frozenset({"insert"}))
    assert SetPush("e", PUSH) in diff_pushing(publications={PUBLICATION.name: other})
    beside = replace(other, name="pub_beside")
    wanted = replace(PUSHING, publications={**PUSHING.publications, "pub_beside": beside})
    steps = diff_endpoint(wanted, PUSHING)
    assert steps != []
    assert SetPush("e", PUSH) not in steps, "of which it sends nothing"


def test_a_push_whose_slot_is_gone_gets_one_and_sends_all_again() -> None:
    assert diff_pushing(slots={SLOT.name: SLOT}) == [CreateSlot("e", SLOTS[PUSH.slot]), SetPush("e", PUSH)]


def test_a_pushs_slot_whose_wal_is_lost_is_made_anew() -> None:
    lost = SlotSpec(PUSH.slot, lost=True)
    assert diff_pushing(slots={**SLOTS, PUSH.slot: lost}) == [RenewSlot("e", lost, "its WAL is lost")]


def test_a_push_that_nobody_declares_goes() -> None:
    assert diff_endpoint(replace(PUSHING, pushes={}), PUSHING) == [DropPush("e", "vps")]


def test_what_anybody_may_do_and_nobody_has_to_is_taken_away() -> None:
    open_to = [GrantSpec("public", GrantKind.FUNCTION, name, "execute") for name in ("b()", "a()")]
    assert diff(open_to_all=frozenset(open_to)) == [CloseToAll("e", (open_to[1], open_to[0]))]


MENDED, LEFT = (
    next(
        (catalog, column)
        for catalog, some in USUAL.items()
        for column, one in some.items()
        if (one.reset is not None) is by_statement
    )
    for by_statement in (True, False)
)


@pytest.mark.parametrize(
    ("place", "name", "told"),
    [
        (MENDED, "sub_v", True),
        (MENDED, "pub_p", True),
        (MENDED, "somebodys", False),
        (LEFT, "sub_v", False),
    ],
)
def test_a_column_that_a_statement_brings_back_is_brought_back_of_ours_alone(
    place: tuple[str, str], name: str, *, told: bool
) -> None:
    catalog, column = place
    one = Unusual(catalog, name, column, "x")
    assert diff(unusual=(one,)) == ([ResetColumn("e", one)] if told else [])
