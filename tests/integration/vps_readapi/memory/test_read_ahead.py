"""Orders that somebody looks at are read again as they change: once for each look, and never as of before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.engines import Connection
from db.waiting import wait_until
from tests.fix_api import Client, RunningApi, read_events, run_api
from tests.fix_watch import fetch
from tests.ports import find_free_port
from vps_readapi.memory.readings import MAX_TOGETHER
from vps_readapi.metrics import READ_AHEAD

pytestmark = pytest.mark.integration

PEDIDOS = MAX_TOGETHER + 8
CHANGES = 50
NOTE = "UPDATE vitrine.pedidos SET observacao = %s, versao = versao + 1 WHERE id = ANY (%s)"


class Counted:
    """An API, and how many orders it has read ahead since a test began."""

    def __init__(self, api: RunningApi, metrics_port: int) -> None:
        self.api = api
        self._metrics_port = metrics_port
        self._before = 0

    def begin(self) -> Counted:
        self._before += self.read_ahead
        return self

    @property
    def read_ahead(self) -> int:
        families = text_string_to_metric_families(fetch(self._metrics_port, "/metrics")[0])
        [family] = [one for one in families if one.name == READ_AHEAD.name.removesuffix("_total")]
        return int(family.samples[0].value) - self._before


@pytest.fixture(scope="module")
def running(dsn: str) -> Iterator[Counted]:
    port = find_free_port()
    with run_api(dsn, metrics_port=str(port)) as api:
        yield Counted(api, port)


@pytest.fixture
def counted(running: Counted) -> Counted:
    return running.begin()


def read_note(client: Client, pedido_id: int) -> str:
    note: str = client.get(f"/pedidos/{pedido_id}").json()["observacao"]
    return note


def test_who_asks_when_he_hears_of_a_change_gets_it(counted: Counted, writer: Connection) -> None:
    events = read_events(counted.api.port)
    with closing(counted.api.connect()) as client:
        assert next(events)["event"] == "pulso"
        for number in range(CHANGES):
            writer.execute(NOTE, [f"nota {number}", [7]])
            while 7 not in json.loads(next(events)["data"]).get("mudou", ()):
                pass
            assert read_note(client, 7) == f"nota {number}"
    assert counted.read_ahead == CHANGES - 1, "the first was not looked at before"


def test_an_order_that_nobody_looks_at_again_is_read_again_once(counted: Counted, writer: Connection) -> None:
    with closing(counted.api.connect()) as client:
        writer.execute(NOTE, ["a", [3]])
        assert (read_note(client, 3), counted.read_ahead) == ("a", 0)
        for note in "bcd":
            writer.execute(NOTE, [note, [3]])
            assert wait_until(lambda: counted.read_ahead == 1, 60)
            read_note(client, 4)  # the change before is known
        assert (read_note(client, 3), counted.read_ahead) == ("d", 1)
        writer.execute(NOTE, ["e", [3]])
        assert wait_until(lambda: counted.read_ahead == 2, 60)
        assert read_note(client, 3) == "e"


def test_a_bulk_change_is_read_when_it_is_asked_for(counted: Counted, writer: Connection) -> None:
    many = list(range(1, PEDIDOS + 1))
    with closing(counted.api.connect()) as client:
        for one in many:
            read_note(client, one)
        writer.execute(NOTE, ["todos", many])
        assert {read_note(client, one) for one in many} == {"todos"}
    assert counted.read_ahead == 0
