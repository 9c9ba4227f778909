"""What a subscription fails for, from its server's log: for who watches, and nothing that a row held."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.engines import connect
from infra.devstack.clusters import HOST
from tests.fix_clusters import PORTS
from tests.fix_drills import servers_with
from tests.fix_road import ROLE_PASSWORD, Road

TOLD = "SELECT e.sqlstate, e.said FROM guard.last_error() e"
IMAGES = "ALTER TABLE vitrine.imagens"
Told = list[tuple[object, ...]]


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def ask(role: str) -> Told:
    given = make_conninfo("", host=HOST, port=PORTS["vps"], dbname="vps", user=role, password=ROLE_PASSWORD)
    with connect(given) as conn:
        return list(conn.execute(TOLD))


def fail(road: Road, break_: str, mend: str, sqlstate: str) -> object:
    """Have apply fail until the log tells of it by its state; return the words."""
    told: Told = []

    def tells() -> bool:
        told[:] = ask("ponte_watch")
        return [state for state, _ in told] == [sqlstate]

    road.run("vps", break_)
    try:
        road.run("sgp", "UPDATE pedido_imagens SET filename = 'segredo' || clock_timestamp() WHERE id < 3")
        road.wait(tells, f"{sqlstate} in the log")
        return told[0][1]
    finally:
        road.run("vps", mend)
        road.wait_arrival()


def test_an_error_is_told_by_its_words_unless_they_may_quote_a_row(road: Road) -> None:
    with servers_with(road, "vps", logging_collector="on", log_destination="jsonlog"):
        said = fail(
            road,
            f"{IMAGES} ADD CONSTRAINT quotes CHECK (filename::int > 0) NOT VALID",
            f"{IMAGES} DROP CONSTRAINT quotes",
            "22P02",
        )
        assert said is None
        said = fail(
            road,
            f"{IMAGES} ADD CONSTRAINT refuses CHECK (filename = '') NOT VALID",
            f"{IMAGES} DROP CONSTRAINT refuses",
            "23514",
        )
        assert said is None
        said = fail(
            road,
            f"{IMAGES} RENAME COLUMN filename TO arquivo",
            f"{IMAGES} RENAME COLUMN arquivo TO filename",
            "55000",
        )
        assert "filename" in str(said)
        assert "segredo" not in str(said)


def test_where_no_json_log_is_kept_nothing_is_told(road: Road) -> None:
    assert ask("ponte_watch") == []


@pytest.mark.parametrize("role", ["ponte_api", "ponte_auth"])
def test_nobody_else_may_ask(road: Road, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(role)
