"""What may not leave is refused: columns, passwords, other data beside the window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publications.decide.filters import Filter
from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.situation import Situation
from publications.declare.declaration import (
    STARTING_PATH,
    read_declaration,
)
from publications.declare.names import TableName
from tests.situations import GOOD, PEDIDOS, USERS, classified, reasons, situation


def test_a_password_in_the_declared_connection_is_refused() -> None:
    seen = situation()
    intake = seen.declaration.intake.model_copy(update={"connection": {"password": "x"}})
    refused = find_refusals(replace(seen, declaration=seen.declaration.model_copy(update={"intake": intake})))
    assert [refusal.fact for refusal in refused] == ["the declared connection of sub_intake holds a password"]


def test_other_data_beside_the_window_is_refused_piece_by_piece() -> None:
    own = frozenset({"public.pedidos", "vitrine.x", "projection.x", "watch.x", "worker.x", "ponte.heartbeat"})
    facts = replace(
        GOOD, databases=("folha", "banco"), relations=own | {"public.b", "public.a", "vitrines.x"}
    )
    assert reasons(situation(vitrine=facts)) == [
        (
            "ForeignDataError",
            f"vitrine's cluster holds {what}, and whoever replicates from it can read that",
            "move it to another cluster: this one may hold the landing tables and the window only",
        )
        for what in (
            "database folha",
            "database banco",
            "table public.a",
            "table public.b",
            "table vitrines.x",
        )
    ]
    for elsewhere in ("sgp", "vps"):
        assert find_refusals(situation(**{elsewhere: facts})) == ()


def filtered(columns: frozenset[str], nullable: frozenset[tuple[TableName, str]] = frozenset()) -> Situation:
    """The orders that the VPS gets are filtered by those columns."""
    seen = situation(vitrine=replace(GOOD, nullable=nullable))
    [export] = seen.declaration.exports
    tables = tuple(
        table.model_copy(update={"where": "x = 1"}) if table.name == PEDIDOS else table
        for table in export.tables
    )
    export = export.model_copy(update={"tables": tables})
    declaration = seen.declaration.model_copy(update={"exports": (export,)})
    return replace(seen, declaration=declaration, filters={(PEDIDOS, "x = 1"): Filter("(x = 1)", columns)})


def test_a_filter_may_read_what_is_published_and_never_null() -> None:
    assert find_refusals(filtered(frozenset({"status"}))) == ()
    nullable = frozenset({(PEDIDOS, "numero"), (TableName("vitrine", "imagens"), "status")})
    assert reasons(filtered(frozenset({"secreto", "numero", "status"}), nullable)) == [
        (
            "FilterIdentityError",
            "the filter of pub_vps_pedidos reads vitrine.pedidos.numero, which may be NULL",
            "filter by a column that is NOT NULL: the row's identity must hold it",
        ),
        (
            "RevealingFilterError",
            "the filter of pub_vps_pedidos reads vitrine.pedidos.secreto, which is not published",
            "publish that column too, or filter by another",
        ),
    ]


SHORT = ("id", "username", "is_admin", "is_active")


@pytest.mark.parametrize("found", ["secret", "internal", "not classified"])
def test_only_what_is_declared_public_may_leave(found: str) -> None:
    classes: dict[str, Any] = {} if found == "not classified" else {found: ("setor",)}
    seen = replace(situation(), declaration=classified(public=SHORT, **classes))
    assert reasons(seen) == [
        (
            "UnpublishableColumnError",
            f"column public.user.setor is {found} and in publication pub_intake_user",
            'take it out of the publication, or declare it public in [privacy."public.user"]',
        )
    ]
    [refusal] = find_refusals(seen)
    assert (str(vars(refusal)["table"]), vars(refusal)["column"]) == ("public.user", "setor")


@pytest.mark.parametrize("found", ["secret", "internal"])
def test_what_is_public_and_something_else_does_not_leave(found: str) -> None:
    seen = replace(situation(), declaration=classified(**{found: ("username",)}))
    assert [fact for _, fact, _ in reasons(seen)] == [
        f"column public.user.username is {found} and in publication pub_intake_user"
    ]


def test_a_table_that_is_not_classified_at_all_is_secret_as_a_whole() -> None:
    declaration = read_declaration(STARTING_PATH)
    privacy = {name: one for name, one in declaration.privacy.items() if name != USERS}
    seen = replace(situation(), declaration=declaration.model_copy(update={"privacy": privacy}))
    assert [fact for _, fact, _ in reasons(seen)] == [
        f"column public.user.{column} is not classified and in publication pub_intake_user"
        for column in ("id", "username", "is_admin", "setor", "is_active")
    ]


def test_a_password_in_any_hops_connection_is_refused() -> None:
    seen = situation()
    [export] = seen.declaration.exports
    exports = (export.model_copy(update={"connection": {"password": "x"}}),)
    seen = replace(seen, declaration=seen.declaration.model_copy(update={"exports": exports}))
    assert reasons(seen) == [
        (
            "SecretInSubscriptionError",
            "the declared connection of sub_vps holds a password",
            "use passfile= in its CONNINFO variable",
        )
    ]
