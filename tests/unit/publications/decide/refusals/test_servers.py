"""A server that is too old, not set up, full or heard by others is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from publications.decide.facts import EndpointFacts
from publications.decide.refusals.every import find_refusals
from publications.decide.spec import (
    EndpointSpec,
    Room,
    SlotSpec,
    SubscriptionSpec,
)
from tests.situations import GOOD, reasons, situation


def test_a_connection_that_others_can_hear_is_refused() -> None:
    told = {"sub_intake": {"host": "192.168.0.10"}, "sub_vps": {"host": "100.64.0.5"}}
    [error] = find_refusals(replace(situation(), conninfos=told))
    assert error.fact == (
        "sub_intake leaves vitrine's machine without sslmode=verify-full and channel_binding=require"
    )
    assert 'wire = "tailnet"' in error.hint


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


HINTS: dict[str, tuple[EndpointFacts, str]] = {
    "ServerTooOldError": (replace(GOOD, version_num=149999), "upgrade that server first"),
    "ServerSettingError": (replace(GOOD, wal_level="minimal"), "set it to logical and restart that server"),
    "EncodingError": (
        replace(GOOD, encoding="LATIN1"),
        "make it anew with ENCODING 'UTF8' TEMPLATE template0, then run 'ponte migrate'",
    ),
}


@pytest.mark.parametrize("kind", HINTS)
def test_a_server_that_is_not_set_up_is_told_what_to_do(kind: str) -> None:
    facts, hint = HINTS[kind]
    [(found, _, said)] = reasons(situation(vitrine=facts))
    assert (found, said) == (kind, hint)


def test_sgp_without_an_encoding_is_told_how_to_get_one() -> None:
    [(_, _, hint)] = reasons(situation(sgp=replace(GOOD, encoding="SQL_ASCII")))
    assert hint == "dump it and load it into a database made with ENCODING 'UTF8' TEMPLATE template0"


def test_the_oldest_version_that_is_new_enough_is() -> None:
    assert find_refusals(situation(sgp=replace(GOOD, version_num=150000))) == ()


ROOMS = {
    "slots": "max_replication_slots",
    "senders": "max_wal_senders",
    "workers": "max_logical_replication_workers",
    "origins": "replication origins",
}


@pytest.mark.parametrize("kind", ROOMS)
def test_there_is_room_for_what_just_fits_and_not_for_one_more(kind: str) -> None:
    def used(number: int) -> EndpointFacts:
        return replace(GOOD, **{kind: Room(number, 8)})  # type: ignore[arg-type]

    assert find_refusals(situation(vitrine=used(6))) == ()
    assert reasons(situation(vitrine=used(7))) == [
        (
            "ServerSettingError",
            f"vitrine has 8 {ROOMS[kind]}, 7 in use, and 2 more are needed",
            f"raise {ROOMS[kind]} and restart that server, or free some",
        )
    ]


FEW_WORKERS = {
    "max_logical_replication_workers = 0, and 1 are needed": {"workers": Room(1, 0)},
    "max_worker_processes = 1, and 2 are needed": {"processes": Room(2, 1)},
    "max_sync_workers_per_subscription = 0": {"sync_workers": 0},
}


@pytest.mark.parametrize("said", FEW_WORKERS)
def test_a_subscriber_without_processes_is_told_though_nothing_is_to_be_made(said: str) -> None:
    """Its subscription says that it is enabled, and stands still."""
    seen = situation(vps=replace(GOOD, **FEW_WORKERS[said]))  # type: ignore[arg-type]
    subscriptions = {
        name: SubscriptionSpec(name, None, frozenset(), frozenset(), frozenset())
        for name in ("sub_intake", "sub_vps")
    }
    live = {name: EndpointSpec(name, subscriptions=subscriptions) for name in seen.live}
    facts = [refusal.fact for refusal in find_refusals(replace(seen, live=live))]
    assert [fact for fact in facts if "worker" in fact] == facts
    assert len(facts) == 1
    assert facts[0].startswith(f"vps has {said}")


def test_what_is_there_already_needs_no_room() -> None:
    full = replace(GOOD, slots=Room(9, 9), senders=Room(9, 9), workers=Room(9, 9), origins=Room(9, 9))
    seen = situation(sgp=full, vitrine=full, vps=full)
    subscriptions = {
        name: SubscriptionSpec(name, None, frozenset(), frozenset(), frozenset())
        for name in ("sub_intake", "sub_vps")
    }
    slots = {name: SlotSpec(name) for name in ("slot_intake", "slot_vps")}
    live = {name: EndpointSpec(name, slots=slots, subscriptions=subscriptions) for name in seen.live}
    assert find_refusals(replace(seen, live=live)) == ()

    def told(name: str, **gone: Any) -> list[str]:
        bare = {**live, name: replace(live[name], **gone)}
        return [fact.split(" in use")[0] for _, fact, _ in reasons(replace(seen, live=bare))]

    for name in ("sgp", "vitrine"):
        assert told(name, slots={}) == [f"{name} has 9 {ROOMS[one]}, 9" for one in ("slots", "senders")]
    for name in ("vitrine", "vps"):
        missing = [f"{name} has 9 {ROOMS[one]}, 9" for one in ("workers", "origins")]
        assert told(name, subscriptions={}) == missing
