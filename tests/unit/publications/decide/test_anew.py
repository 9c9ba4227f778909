"""When a hop can't go on from where it stood: a lost slot, a subscription ahead, versions taken for old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from publications.decide.anew import begins_anew, diff_anew
from publications.decide.changes.publications import RenewSlot
from publications.decide.changes.rows import RenewVersions
from publications.decide.changes.subscriptions import EnableSubscription, ForgetProgress
from publications.decide.spec import EndpointSpec, Position, SlotSpec
from tests.unit.publications.decide.test_row_moves import (
    HOP,
    IMAGENS,
    PEDIDOS,
    SOURCE,
    SUBSCRIPTION,
    TARGET,
    WANTED,
)

SLOT = SOURCE.slots["slot_vps"]


def live(source: EndpointSpec = SOURCE, target: EndpointSpec = TARGET) -> dict[str, EndpointSpec]:
    return {"vitrine": source, "vps": target}


def at(endpoint: EndpointSpec, **position: object) -> EndpointSpec:
    return replace(endpoint, position=Position(**position))  # type: ignore[arg-type]


def test_what_flows_begins_nothing_anew() -> None:
    assert not begins_anew(HOP, WANTED, live())
    assert diff_anew([HOP], WANTED, live()) == []


def test_a_lost_slot_is_made_anew() -> None:
    lost = SlotSpec("slot_vps", lost=True)
    found = live(replace(SOURCE, slots={"slot_vps": lost}))
    assert begins_anew(HOP, WANTED, found)
    assert diff_anew([HOP], WANTED, found) == [RenewSlot("vitrine", lost, "its WAL is lost")]


@pytest.mark.parametrize(
    ("written", "received", "told"),
    [(100, 101, True), (100, 100, False), (101, 100, False), (None, 1, False), (0, 1, True)],
)
def test_a_subscription_ahead_of_its_source_forgets_its_progress_and_gets_a_new_slot(
    written: int | None, received: int, told: bool
) -> None:
    found = live(at(SOURCE, wal_bytes=written), at(TARGET, received_bytes={"sub_vps": received}))
    steps = [
        ForgetProgress("vps", SUBSCRIPTION),
        EnableSubscription("vps", SUBSCRIPTION),
        RenewSlot("vitrine", SLOT, "vps is ahead of it"),
    ]
    assert diff_anew([HOP], WANTED, found) == (steps if told else [])
    assert begins_anew(HOP, WANTED, found) is told
    other = live(found["vitrine"], at(TARGET, received_bytes={"sub_other": received}))
    assert diff_anew([HOP], WANTED, other) == []


@pytest.mark.parametrize(
    ("given", "held", "told"),
    [(5, 6, True), (5, 5, False), (6, 5, False), (None, 6, False), (5, None, False), (0, 1, True)],
)
def test_a_window_that_gave_less_than_is_held_gives_newer_versions(
    given: int | None, held: int | None, told: bool
) -> None:
    found = live(at(SOURCE, given_versao=given), at(TARGET, held_versao=held))
    steps = [RenewVersions("vitrine", (IMAGENS, PEDIDOS), held or 0)]
    assert diff_anew([HOP], WANTED, found) == (steps if told else [])
    assert begins_anew(HOP, WANTED, found) is told


def test_two_subscribers_get_versions_above_what_either_holds() -> None:
    other = replace(HOP, target="other")
    found = live(at(SOURCE, given_versao=1), at(TARGET, held_versao=5)) | {
        "other": at(replace(TARGET, name="other"), held_versao=9)
    }
    wanted = WANTED | {"other": replace(TARGET, name="other")}
    steps = diff_anew([HOP, other], wanted, found)
    assert steps == [RenewVersions("vitrine", (IMAGENS, PEDIDOS), 9)]
