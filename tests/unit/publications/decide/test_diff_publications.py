"""Where publications and subscriptions differ, each difference gives its step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publications.decide.changes.change import Consequence, Phase
from publications.decide.changes.publications import (
    DropSlot,
    ReplacePublication,
    SetOperations,
    SetPublishedTables,
    published_more,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    EnableSubscription,
    RefreshSubscription,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
)
from publications.decide.diff import diff_endpoint
from publications.decide.spec import (
    PublishedTableSpec,
    SlotSpec,
)
from publications.declare.names import TableName
from tests.live_ends import IMAGENS, PART, PEDIDOS, PUBLICATION, SUBSCRIPTION, WANTED, diff


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
