"""Fixtures: a window of the VPS, the API on it, and one who reads and one who writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.engines import Connection
from tests.fix_api import Client, RunningApi, make_window, run_api, run_cluster, write_session

PEDIDOS = 30


@pytest.fixture(scope="module")
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a window with as many orders as the test module's PEDIDOS says, else 30."""
    with run_cluster() as cluster:
        yield make_window(cluster, "vps", pedidos=getattr(request.module, "PEDIDOS", PEDIDOS))


@pytest.fixture(scope="module")
def api(dsn: str) -> Iterator[RunningApi]:
    """Run the API on the module's window, as its users do."""
    with run_api(dsn) as running:
        yield running


@pytest.fixture
def client(api: RunningApi) -> Iterator[Client]:
    """Give a connection to the API with a good session."""
    one = api.connect()
    yield one
    one.close()


@pytest.fixture
def writer(dsn: str) -> Iterator[Connection]:
    """Give a session that writes the window as replication does."""
    with write_session(dsn) as conn:
        yield conn
