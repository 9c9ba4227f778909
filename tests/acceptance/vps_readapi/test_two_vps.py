"""Two VPSes behind one name: what a client holds of one is good on the other, or said not to be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fix_api import Client, RunningApi, make_window, read_events, run_api, write_session
from tests.fix_served import RunCluster

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def vpses(own_cluster: RunCluster) -> Iterator[tuple[RunningApi, RunningApi]]:
    """Two with the same orders, which each got by itself; the second lacks the newest change."""
    with own_cluster() as one, own_cluster() as other:
        dsns = [make_window(cluster, "vps", pedidos=30) for cluster in (one, other)]
        with write_session(dsns[0]) as conn:
            conn.execute("UPDATE vitrine.pedidos SET observacao = 'nova', versao = 2 WHERE id = 30")
        with run_api(dsns[0]) as first, run_api(dsns[1]) as second:
            yield first, second


@pytest.fixture
def clients(vpses: tuple[RunningApi, RunningApi]) -> Iterator[tuple[Client, Client]]:
    first, second = (api.connect() for api in vpses)
    yield first, second
    first.close()
    second.close()


def test_a_session_and_an_etag_are_good_on_both(clients: tuple[Client, Client]) -> None:
    first, second = clients
    answer = first.get("/pedidos/7")
    assert answer.status == 200
    assert second.get("/pedidos/7").content == answer.content
    assert second.get("/pedidos/7", If_None_Match=answer.headers["etag"]).status == 304


def test_what_differs_is_not_taken_for_unchanged(clients: tuple[Client, Client]) -> None:
    first, second = clients
    for path in ("/pedidos/30", "/pedidos/"):
        answer = first.get(path)
        other = second.get(path, If_None_Match=answer.headers["etag"])
        assert other.status == 200
        assert other.content != answer.content


def test_a_cursor_of_one_begins_again_on_the_other(
    clients: tuple[Client, Client], vpses: tuple[RunningApi, RunningApi]
) -> None:
    first, second = clients
    cursor = first.get("/pedidos/").headers["sync-cursor"]
    assert first.get(f"/pedidos/?desde={cursor}").json()["completo"] is False
    found = second.get(f"/pedidos/?desde={cursor}").json()
    assert found["completo"] is True
    assert found["mudou"] == second.get("/pedidos/").json()
    events = read_events(vpses[1].port, Last_Event_ID=cursor)
    assert "recomece" in {next(events)["event"] for _ in range(2)}
    events.close()  # type: ignore[attr-defined]
