"""How often the memory has the answer, as the API's metrics page says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fix_api import Client, RunningApi, run_api
from tests.fix_watch import fetch
from tests.ports import find_free_port
from vps_readapi.metrics import MEMORY_ANSWERS

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

PEDIDOS = 20
MISSING = 999_999


@pytest.fixture
def counted(dsn: str) -> Iterator[tuple[RunningApi, int]]:
    port = find_free_port()
    with run_api(dsn, metrics_port=str(port)) as api:
        yield api, port


def read_answers(port: int) -> dict[str, float]:
    families = text_string_to_metric_families(fetch(port, "/metrics")[0])
    name = MEMORY_ANSWERS.name.removesuffix("_total")
    [family] = [one for one in families if one.name == name]
    return {one.labels["how"]: one.value for one in family.samples}


def ask(client: Client, *paths: str) -> list[int]:
    return [client.get(path).status for path in paths]


def test_a_hit_ratio_can_be_read(counted: tuple[RunningApi, int]) -> None:
    """What is asked with a filter, or is no order, is none of memory's."""
    api, port = counted
    with closing(api.connect()) as client:
        assert ask(client, "/pedidos/1", "/pedidos/1", "/pedidos/1") == [200] * 3
        assert ask(client, "/pedidos/", "/pedidos/", f"/pedidos/{MISSING}") == [200, 200, 404]
        assert ask(client, "/pedidos/1?x=1", "/auth/me", "/saude/viva") == [200] * 3
    assert read_answers(port) == {"kept": 3, "read": 2, "absent": 1}
