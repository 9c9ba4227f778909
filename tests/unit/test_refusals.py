"""The reasons that a good test server never gives: too old, not set up, full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publications.declaration import STARTING_PATH, read_declaration
from publications.preflight import EndpointFacts
from publications.refusals import Situation, find_refusals
from publications.spec import EndpointSpec, Room, TableName
from publications.wanted import SourceColumn, derive_wanted

GOOD = EndpointFacts(
    version_num=180006,
    wal_level="logical",
    slots=Room(0, 10),
    senders=Room(0, 10),
    origins=Room(0, 10),
    workers=Room(0, 4),
)


def situation(**facts: EndpointFacts) -> Situation:
    """A shop without replication yet, on good servers but for those given."""
    declaration = read_declaration(STARTING_PATH)
    source = {
        TableName.parse(table.name): {column: SourceColumn("text", built_in=True) for column in table.columns}
        for table in declaration.intake.tables
    }
    wanted = derive_wanted(declaration, source=source, conninfos={}, filters={})
    columns = {
        part.table: dict.fromkeys(part.columns or (), "text")
        for publication in wanted["vitrine"].publications.values()
        for part in publication.tables
    }
    good = {name: replace(GOOD, columns=columns) for name in declaration.endpoints}
    given = {name: replace(fact, columns=columns) for name, fact in facts.items()}
    live = {name: EndpointSpec(name) for name in declaration.endpoints}
    return Situation(declaration, live, good | given, source, {})


def test_a_good_shop_is_refused_nothing() -> None:
    assert find_refusals(situation()) == ()


@pytest.mark.parametrize(
    ("endpoint", "facts", "fact"),
    [
        ("vps", replace(GOOD, version_num=140012), "vps runs PostgreSQL 14, 15 or newer is needed"),
        (
            "vps",
            replace(GOOD, encoding="LATIN1"),
            "vps has the encoding LATIN1, which can't hold every letter",
        ),
        (
            "vitrine",
            replace(GOOD, encoding="SQL_ASCII"),
            "vitrine has the encoding SQL_ASCII, which can't hold every letter",
        ),
        (
            "sgp",
            replace(GOOD, encoding="SQL_ASCII"),
            "sgp has the encoding SQL_ASCII: a byte that is no UTF-8 would stop apply",
        ),
        ("sgp", replace(GOOD, wal_level="replica"), "sgp has wal_level = replica"),
        (
            "sgp",
            replace(GOOD, slots=Room(9, 10)),
            "sgp has 10 max_replication_slots, 9 in use, and 2 more are needed",
        ),
        (
            "vitrine",
            replace(GOOD, senders=Room(10, 10)),
            "vitrine has 10 max_wal_senders, 10 in use, and 2 more are needed",
        ),
        (
            "vitrine",
            replace(GOOD, workers=Room(3, 4)),
            "vitrine has 4 max_logical_replication_workers, 3 in use, and 2 more are needed",
        ),
        (
            "vps",
            replace(GOOD, origins=Room(9, 10)),
            "vps has 10 replication origins, 9 in use, and 2 more are needed",
        ),
    ],
)
def test_what_stands_in_the_way_is_named(endpoint: str, facts: EndpointFacts, fact: str) -> None:
    refusals = find_refusals(situation(**{endpoint: facts}))
    assert [refusal.fact for refusal in refusals] == [fact]
    assert all(refusal.hint for refusal in refusals)


def test_sgps_own_encoding_is_translated_on_the_way() -> None:
    assert find_refusals(situation(sgp=replace(GOOD, encoding="WIN1252"))) == ()


def test_the_vps_needs_no_logical_wal() -> None:
    assert find_refusals(situation(vps=replace(GOOD, wal_level="replica"))) == ()


def test_a_password_in_the_declared_connection_is_refused() -> None:
    seen = situation()
    intake = seen.declaration.intake.model_copy(update={"connection": {"password": "x"}})
    refused = find_refusals(replace(seen, declaration=seen.declaration.model_copy(update={"intake": intake})))
    assert [refusal.fact for refusal in refused] == ["the declared connection of sub_intake holds a password"]
