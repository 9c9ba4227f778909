"""Of all reasons together, and of an end that nobody has looked at."""

from __future__ import annotations

from dataclasses import replace

from publications.decide.facts import EndpointFacts, assume_facts
from publications.decide.refusals.every import find_refusals
from publications.decide.spec import (
    Room,
)
from tests.situations import GOOD, classified, columns_on, reasons, situation, without_columns


def test_a_good_shop_is_refused_nothing() -> None:
    assert find_refusals(situation()) == ()


AWAY = replace(GOOD, assumed=True)


def test_of_an_end_that_nobody_has_looked_at_nothing_is_said_to_be_missing() -> None:
    seen = without_columns("setor")
    assert find_refusals(replace(seen, facts={**seen.facts, "sgp": AWAY})) == ()
    for name in ("vitrine", "vps"):
        for short in ("vitrine", "vps"):
            seen = columns_on(short, {"numero": None})
            away = replace(AWAY, columns=seen.facts[name].columns)
            assert find_refusals(replace(seen, facts={**seen.facts, name: away})) == ()


def test_what_is_assumed_of_an_end_stands_in_nobodys_way() -> None:
    none = Room(0, 0)
    assert assume_facts() == EndpointFacts(150000, "logical", none, none, none, none, assumed=True)


def test_every_reason_is_told_at_once_the_gravest_kind_first() -> None:
    old = situation(vps=replace(GOOD, version_num=140000, encoding="LATIN1"))
    secret = replace(old, declaration=classified(secret=("username",)))
    assert [kind for kind, _, _ in reasons(secret)] == [
        "UnpublishableColumnError",
        "ServerTooOldError",
        "EncodingError",
    ]
