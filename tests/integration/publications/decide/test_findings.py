"""What stands out on any database: a heart that stopped, somebody's publication, a window from a backup."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from db.unreached import UnreachableError
from publications.act.endpoints import Endpoints, Reading
from publications.commands.step_words import describe
from tests.fix_road import Road
from tests.ports import find_free_ports


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def plan_lines(road: Road) -> list[str]:
    return [f"{step.endpoint}: {describe(step)}" for step in road.read().plan.steps]


@pytest.mark.parametrize("end", ["DELETE FROM ponte.heartbeat", "TRUNCATE ponte.heartbeat"])
def test_a_heart_without_its_row_beats_again(road: Road, end: str) -> None:
    [[before]] = road.run("vps", "SELECT beat FROM vitrine.heartbeat")
    # A heart counts from the clock's seconds and beats every other: in a shop the clock is ahead of it.
    later = "SELECT 1 WHERE extract(epoch FROM clock_timestamp()) > %s + 1"
    road.wait(lambda: road.run("sgp", later, before) != [], "the clock is ahead of the heart")
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


def read_without(road: Road, away: str) -> Reading:
    """Plan while nothing listens where that endpoint should be."""
    [port] = find_free_ports(1)
    gone = make_conninfo(road.settings.dsn(away), port=port)
    settings = replace(road.settings, dsns={**road.settings.dsns, away: SecretStr(gone)})
    with Endpoints(road.declaration, settings, partial=True) as session:
        return session.read()


@pytest.mark.parametrize("away", ["sgp", "vitrine", "vps"])
def test_an_end_that_is_away_is_left_out_and_said(road: Road, away: str) -> None:
    reading = read_without(road, away)
    assert [describe(step) for step in reading.plan.steps] == []
    assert reading.refusals == ()
    [finding] = reading.findings
    assert finding.fact.startswith(f"{away} can't be reached: ")
    assert finding.fact.endswith(f"; {away} is left out and taken to be as declared")


def test_the_other_ends_are_compared_while_one_is_away(road: Road) -> None:
    road.run("vitrine", "DROP PUBLICATION pub_vps_usuarios")
    found = {
        away: [f"{one.endpoint}: {describe(one)}" for one in read_without(road, away).plan.steps]
        for away in ("sgp", "vps")
    }
    road.apply()
    assert "vitrine: create publication pub_vps_usuarios" in found["sgp"]
    assert found["vps"] == ["vitrine: create publication pub_vps_usuarios"]


def test_nothing_is_planned_with_all_ends_away_or_applied_with_one(road: Road) -> None:
    [port] = find_free_ports(1)
    gone = {name: SecretStr(make_conninfo(road.settings.dsn(name), port=port)) for name in road.settings.dsns}
    everything = Endpoints(road.declaration, replace(road.settings, dsns=gone), partial=True)
    one = Endpoints(road.declaration, replace(road.settings, dsns={**road.settings.dsns, "vps": gone["vps"]}))
    for session in (everything, one):
        with pytest.raises(UnreachableError, match="vps can't be reached"), session:
            pass
