"""Where the tables, triggers and identities of an endpoint differ, each difference gives its step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publications.decide.changes.change import Consequence, Phase
from publications.decide.changes.publications import (
    DropPublication,
)
from publications.decide.changes.step import Step
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    SetIdentity,
    SetTrigger,
    StartHeart,
)
from publications.decide.diff import diff_endpoint
from publications.decide.spec import (
    ColumnSpec,
    IdentitySpec,
    PublishedTableSpec,
    TableSpec,
    TriggerSpec,
    identity_index,
)
from publications.declare.names import TableName
from tests.live_ends import IMAGENS, KEY, PART, PEDIDOS, PUBLICATION, TABLE, TRIGGER, WANTED, diff


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
