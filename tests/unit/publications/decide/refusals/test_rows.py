"""Rows that can't be named, are hidden or would stop apply are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from publications.decide.facts import UnfitKey
from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.rows import UnfitKeyError
from publications.decide.spec import (
    IdentitySpec,
)
from publications.declare.names import TableName
from tests.situations import GOOD, USERS, reasons, situation, with_live


def test_what_would_stop_apply_in_a_written_table_is_refused_on_each_end() -> None:
    facts = replace(
        GOOD, foreign_keys=(("v.a", "fk1"), ("v.b", "fk2")), loose_functions=(("v.a", "public.f"),)
    )
    for name in ("vitrine", "vps"):
        assert reasons(situation(**{name: facts})) == [
            *(
                (
                    "ForeignKeyError",
                    f"{name}'s table {table} has the foreign key {key}",
                    f"ALTER TABLE {table} DROP CONSTRAINT {key}: rows of two tables come in any order",
                )
                for table, key in (("v.a", "fk1"), ("v.b", "fk2"))
            ),
            (
                "LooseFunctionError",
                f"{name}'s table v.a has the trigger function public.f without a search_path",
                "ALTER FUNCTION public.f() SET search_path = pg_catalog, and name its schemas",
            ),
        ]


def test_rows_that_row_security_hides_are_refused_for_who_reads_them() -> None:
    hidden = replace(GOOD, hidden=frozenset({"v.b", "v.a"}))
    for name, role in (("sgp", "ponte_intake"), ("vitrine", "ponte_export_vps")):
        assert reasons(situation(**{name: hidden})) == [
            (
                "HiddenRowsError",
                f"row security on {name}'s table {table} hides its rows from {role}",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, or give {role} BYPASSRLS yourself",
            )
            for table in ("v.a", "v.b")
        ]
    assert find_refusals(situation(vps=hidden)) == ()


@pytest.mark.parametrize(
    ("identity", "key", "refused"),
    [
        (IdentitySpec(frozenset({"id"})), "id", False),
        (IdentitySpec(frozenset({"id"}), full=True), "id", True),
        (IdentitySpec(frozenset({"id", "x"})), "id", True),
        (IdentitySpec(frozenset({"id"})), "nr", True),
        (IdentitySpec(frozenset()), None, True),
    ],
    ids=["the key", "full", "more", "another", "no key"],
)
def test_sgps_own_table_names_its_rows_by_its_key(
    identity: IdentitySpec, key: str | None, refused: bool
) -> None:
    keys = {} if key is None else {USERS: key}
    refusal = (
        "SourceIdentityError",
        "sgp's table public.user does not name its rows by its primary key",
        "ALTER TABLE public.user REPLICA IDENTITY DEFAULT: with another one updates in the shop can fail",
    )
    assert reasons(with_live("sgp", identities={USERS: identity}, keys=keys)) == [refusal] * refused
    assert reasons(with_live("vitrine", identities={USERS: identity}, keys=keys)) == []


@pytest.mark.parametrize(
    ("constraint", "fault", "fact", "hint"),
    [
        (None, "missing", "has no primary key", "ALTER TABLE vitrine.pedidos ADD PRIMARY KEY (id)"),
        (
            "late",
            "deferrable",
            "has the deferrable primary key late, which can't name a row",
            "ALTER TABLE vitrine.pedidos DROP CONSTRAINT late, ADD PRIMARY KEY (id)",
        ),
        (
            "half",
            "invalid",
            "has the primary key half, whose index is not valid",
            "REINDEX TABLE CONCURRENTLY vitrine.pedidos",
        ),
    ],
)
def test_a_key_that_cannot_name_a_row_is_refused_with_what_mends_it(
    constraint: str | None, fault: Literal["missing", "deferrable", "invalid"], fact: str, hint: str
) -> None:
    key = UnfitKey(TableName("vitrine", "pedidos"), constraint, fault)
    [error] = find_refusals(situation(vps=replace(GOOD, unfit_keys=(key,))))
    assert isinstance(error, UnfitKeyError)
    assert error.fact == f"vps's table vitrine.pedidos {fact}"
    assert error.hint == f"on vps: {hint}; then run 'ponte apply'"


def test_a_source_table_without_a_fit_key_does_not_hide_the_next_ones_identity() -> None:
    users, orders = TableName("public", "user"), TableName("public", "pedidos")
    seen = situation(sgp=replace(GOOD, unfit_keys=(UnfitKey(orders, None, "missing"),)))
    identities = {orders: IdentitySpec(frozenset()), users: IdentitySpec(frozenset(), full=True)}
    seen.live["sgp"] = replace(seen.live["sgp"], identities=identities, keys={users: "id"})  # type: ignore[index]
    facts = [error.fact for error in find_refusals(seen)]
    assert [fact.split(" ")[2] for fact in facts] == ["public.pedidos", "public.user"]
