"""What stands out on any database: a heart that stopped, somebody's publication, a window from a backup."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from publications.render import describe
from tests.fix_road import Road


@pytest.fixture
def road(mended_road: Road) -> Iterator[Road]:
    """The module's road; what a test leaves behind fails that test."""
    yield mended_road
    reading = mended_road.read()
    assert [describe(step) for step in reading.plan.steps] == []
    assert [error.fact for error in reading.objections] == []


def plan_lines(road: Road) -> list[str]:
    return [f"{step.endpoint}: {describe(step)}" for step in road.read().plan.steps]


@pytest.mark.parametrize("end", ["DELETE FROM ponte.heartbeat", "TRUNCATE ponte.heartbeat"])
def test_a_heart_without_its_row_beats_again(road: Road, end: str) -> None:
    [[before]] = road.run("vps", "SELECT beat FROM vitrine.heartbeat")
    road.run("sgp", end)
    assert plan_lines(road) == ["sgp: start heart ponte.heartbeat"]
    road.apply()
    road.wait_arrival()
    [[after]] = road.run("vps", "SELECT beat FROM vitrine.heartbeat")
    assert after > before  # type: ignore[operator]


@pytest.mark.parametrize("endpoint", ["sgp", "vitrine", "vps"])
@pytest.mark.parametrize("what", ["ALL TABLES", "TABLES IN SCHEMA public"])
def test_somebodys_publication_of_everything_is_found(road: Road, endpoint: str, what: str) -> None:
    road.run(endpoint, f"CREATE PUBLICATION theirs FOR {what}")
    facts = [finding.fact for finding in road.read().findings]
    road.run(endpoint, "DROP PUBLICATION theirs")
    assert facts == [f"{endpoint} has a publication that is not Ponte's: theirs (everything)"]


@pytest.mark.parametrize("what", ["ALL TABLES", "TABLES IN SCHEMA public"])
def test_a_publication_of_everything_under_our_name_is_made_anew(road: Road, what: str) -> None:
    road.run("sgp", f"DROP PUBLICATION pub_intake_user; CREATE PUBLICATION pub_intake_user FOR {what}")
    assert "sgp: replace publication pub_intake_user" in plan_lines(road)
    road.apply()
    road.run("sgp", "UPDATE \"user\" SET setor = 'costura' WHERE id = 2")
    road.wait_arrival()
    assert road.run("vps", "SELECT setor FROM vitrine.usuarios WHERE id = 2") == [("costura",)]
