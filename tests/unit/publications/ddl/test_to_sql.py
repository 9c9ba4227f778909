"""The SQL of every kind of change, word for word: it is what apply runs and what people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from publications.commands.step_words import action_of, describe
from publications.ddl.acts import Act, Part, Together, print_act
from publications.ddl.to_sql import to_sql
from publications.decide.changes.change import Change
from publications.decide.changes.rows import (
    Backfill,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import (
    SettleSubscription,
)
from publications.decide.spec import (
    SWEEP,
    identity_index,
)
from tests.printed.publications import PUBLICATIONS
from tests.printed.roles import ROLES
from tests.printed.rows import ROWS
from tests.printed.specs import PEDIDOS, SUBSCRIPTION
from tests.printed.subscriptions import SUBSCRIPTIONS
from tests.printed.tables import TABLES

SQL = {**ROLES, **TABLES, **ROWS, **PUBLICATIONS, **SUBSCRIPTIONS}


def print_step(step: Step) -> list[str]:
    return [line for act in to_sql(step) for line in print_act(act, at=step.endpoint)]


@pytest.mark.parametrize("name", SQL)
def test_a_change_is_made_by_these_words(name: str) -> None:
    step, words = SQL[name]
    assert print_step(step) == words


def test_settling_waits_for_every_table_of_that_subscription() -> None:
    wait, settle = print_step(SettleSubscription("e", SUBSCRIPTION))
    assert "s.subname = 'sub_v' AND r.srsubstate <> 'r'" in wait
    assert "s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())" in wait
    assert settle == """ALTER SUBSCRIPTION "sub_v" SET (binary = 'false', synchronous_commit = 'off')"""


EXAMPLES = {
    type(step): step
    for step in (
        *(step for step, _ in SQL.values()),
        Backfill("e", PEDIDOS, ("n",), "s", "id"),
        SettleSubscription("e", SUBSCRIPTION),
    )
}


@pytest.mark.parametrize("kind", get_args(Step), ids=lambda kind: kind.__name__)
def test_every_kind_has_words_and_what_is_printed_is_what_apply_can_run(kind: type[Step]) -> None:
    step = EXAMPLES[kind]
    assert describe(step).startswith(action_of(step) + " ")
    acts = to_sql(step)
    assert acts, "apply would do nothing"
    for act in acts:
        assert isinstance(act, get_args(Act)), "apply's dispatch, which mypy closes, does not know it"
        assert "".join(print_act(act, at="e")).strip(), "it would not be seen by hand"


def test_the_union_holds_every_kind() -> None:
    assert set(get_args(Step)) == set(Change.__subclasses__())


def test_every_act_is_needed() -> None:
    acts = [act for step in EXAMPLES.values() for act in to_sql(step)]
    parts = [part for act in acts if isinstance(act, Together) for part in act.parts]
    assert {type(act) for act in acts} == set(get_args(Act))
    assert {type(part) for part in parts} == set(get_args(Part))


@pytest.mark.parametrize("dispatch", [describe, to_sql])
def test_what_is_no_step_is_refused_everywhere(dispatch: Callable[[Any], object]) -> None:
    with pytest.raises(AssertionError):
        dispatch(Change("e"))


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"id"}, ""),
        ({"id", "b", "a"}, "ponte_identity_pedidos_a_b"),
        ({"id", "x" * 60}, ("ponte_identity_pedidos_" + "x" * 60)[:63]),
    ],
)
def test_an_identitys_index_is_named_by_what_it_holds_beyond_the_key(columns: set[str], name: str) -> None:
    assert identity_index(PEDIDOS, frozenset(columns), "id") == name


FILL = Backfill("e", PEDIDOS, ("a", SWEEP, "b"), "sgp", "nr", "(id > 5)")
STAGED = 'SELECT "nr", "a", "b" FROM "v"."pedidos" WHERE (id > 5)'
LOCKED = [
    "SET LOCAL session_replication_role = replica",
    'LOCK TABLE "v"."pedidos" IN SHARE ROW EXCLUSIVE MODE',
    'CREATE TEMP TABLE "ponte_stage" ON COMMIT DROP AS SELECT "nr", "a", "b" FROM "v"."pedidos" LIMIT 0',
]
UNMARKED = [
    'COMMENT ON COLUMN "v"."pedidos"."a" IS NULL',
    'COMMENT ON TABLE "v"."pedidos" IS NULL',
    'COMMENT ON COLUMN "v"."pedidos"."b" IS NULL',
]
FILLED = (
    'UPDATE "v"."pedidos" AS t SET ("a", "b") = ROW(s."a", s."b") FROM "ponte_stage" AS s'
    ' WHERE s."nr" = t."nr" AND (t."a", t."b") IS DISTINCT FROM (s."a", s."b")'
)
SWEPT = (
    'DELETE FROM "v"."pedidos" AS t WHERE NOT EXISTS (SELECT FROM "ponte_stage" AS s WHERE s."nr" = t."nr")'
)
ASK_ON_SGP = (
    "\\echo 'ask on sgp until it says t: SELECT NOT EXISTS (SELECT FROM pg_subscription_rel r"
    " JOIN pg_subscription s ON s.oid = r.srsubid WHERE r.srsubstate <> ''r''"
    " AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))'"
)
CARRIED = [
    f"\\echo 'now on sgp: \\\\copy ({STAGED}) TO ''v.pedidos.copy'''",
    "\\prompt 'Enter when it is done ' done",
    "\\copy \"ponte_stage\" FROM 'v.pedidos.copy'",
]


def test_filling_waits_for_copies_at_both_ends() -> None:
    asked, enter, wait, *_ = print_step(FILL)
    assert (asked, enter) == (ASK_ON_SGP, "\\prompt 'Enter when it does ' done")
    assert wait.startswith("DO $wait$")
    assert "WHERE r.srsubstate <> 'r' AND s.subdbid =" in wait


def test_columns_are_filled_rows_swept_and_the_notes_taken_away_under_a_lock() -> None:
    assert print_step(FILL)[3:] == ["BEGIN", *LOCKED, *CARRIED, FILLED, SWEPT, *UNMARKED, "COMMIT"]
    whole = [line.replace(" WHERE (id > 5)", "") for line in CARRIED]
    assert print_step(replace(FILL, where=None))[7:10] == whole


def test_what_is_not_asked_for_is_neither_filled_nor_swept() -> None:
    filled, swept = (print_step(replace(FILL, columns=columns))[10:] for columns in (("a", "b"), (SWEEP,)))
    assert filled == [FILLED, UNMARKED[0], UNMARKED[2], "COMMIT"]
    assert swept == [SWEPT, UNMARKED[1], "COMMIT"]
