"""Columns that an end lacks or could not hold, and those that were renamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publications.decide.refusals.every import find_refusals
from publications.decide.refusals.situation import Situation
from publications.decide.spec import (
    EndpointSpec,
    PublicationSpec,
    PublishedTableSpec,
)
from publications.declare.declaration import (
    STARTING_PATH,
    parse_declaration,
)
from publications.declare.names import TableName
from tests.situations import USERS, columns_on, reasons, situation, without_columns

MISSING = (
    "MissingColumnError",
    "sgp has no column public.user.setor",
    "take it out of the declaration and apply; the subscribers keep what they have",
)


def test_a_column_that_sgp_has_not_is_named() -> None:
    assert reasons(without_columns("setor")) == [MISSING]
    assert {fact for _, fact, _ in reasons(without_columns("setor", "is_active"))} == {
        MISSING[1],
        "sgp has no column public.user.is_active",
    }


def listing(seen: Situation, *columns: str) -> Situation:
    """SGP's publication of the users lists columns."""
    part = PublishedTableSpec(USERS, frozenset(columns))
    publication = PublicationSpec("pub_intake_user", frozenset({part}), frozenset({"insert"}))
    live = EndpointSpec("sgp", publications={"pub_intake_user": publication})
    return replace(seen, live={**seen.live, "sgp": live})


def test_a_column_that_was_renamed_is_known_by_the_publications_list() -> None:
    assert reasons(listing(without_columns("setor", known=("area",)), "id", "area")) == [
        (
            "RenamedColumnError",
            "sgp has renamed public.user.setor to area; apply stands still since the next change",
            "rename it back with ALTER TABLE public.user RENAME COLUMN area TO setor, or take setor out of"
            " the declaration; then run 'ponte apply': it renews the slot and copies over what is there",
        )
    ]


@pytest.mark.parametrize(
    ("missing", "known", "listed"),
    [
        (("setor",), ("area", "zona"), ("area", "zona")),
        (("setor",), ("area",), ("id",)),
        (("setor",), (), ("id", "area")),
        (("setor", "is_active"), ("area",), ("area",)),
    ],
    ids=["two names", "not listed", "not there", "two are missing"],
)
def test_where_the_new_name_is_not_sure_none_is_said(
    missing: tuple[str, ...], known: tuple[str, ...], listed: tuple[str, ...]
) -> None:
    kinds = [kind for kind, _, _ in reasons(listing(without_columns(*missing, known=known), *listed))]
    assert kinds == ["MissingColumnError"] * len(missing)


def test_what_the_subscriber_could_not_hold_is_refused() -> None:
    assert reasons(columns_on("vitrine", {"numero": None})) == [
        (
            "MissingColumnError",
            "vitrine has no column vitrine.pedidos.numero",
            "run 'ponte migrate', or take it out of the declaration",
        )
    ]
    assert reasons(columns_on("vps", {"numero": None})) == [
        (
            "SubscriberColumnError",
            "vps has no column vitrine.pedidos.numero, apply would stop",
            "run 'ponte migrate'; if the column was dropped by hand, add it again as text",
        )
    ]
    assert reasons(columns_on("vps", {"numero": "bigint"})) == [
        (
            "SubscriberColumnError",
            "vitrine.pedidos.numero is text on vitrine and bigint on vps",
            "ALTER TABLE vitrine.pedidos ALTER COLUMN numero TYPE text on vps",
        )
    ]


def test_a_table_that_sgps_file_has_not_is_named_and_hides_no_other() -> None:
    text = STARTING_PATH.read_text(encoding="utf-8").replace('kind = "postgresql"', 'kind = "sqlite"')
    seen = replace(situation(), declaration=parse_declaration(text, origin="test"))
    orders, users = TableName("public", "pedidos"), TableName("public", "user")
    source = {name: dict(columns) for name, columns in seen.source.items()}
    source[orders] = {}
    del source[users]["username"]
    errors = find_refusals(replace(seen, source=source))
    assert [error.fact for error in errors] == [
        "sgp's file has no table pedidos",
        "sgp has no column public.user.username",
    ]
    assert errors[0].hint == (
        "if SGP has renamed it, rename it back; if it is gone, take it out of the declaration"
    )
