"""Fixtures: a window of the VPS, the API on it, and one who reads and one who writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from db.engines import Connection
from infra.devstack.clusters import Cluster
from tests.fix_api import Client, RunningApi, Windows, run_api, run_cluster, write_session

PEDIDOS = 30


RunCluster = Callable[..., AbstractContextManager[Cluster]]


@pytest.fixture(scope="session")
def own_cluster(bindirs: dict[str, Path]) -> RunCluster:
    """Give what runs a server of the VPS's for the length of a block."""
    return partial(run_cluster, bindir=bindirs["vps"])


@pytest.fixture(scope="session")
def windows(own_cluster: RunCluster) -> Iterator[Windows]:
    """Run one server for all modules' windows."""
    with own_cluster() as cluster:
        yield Windows(cluster)


@pytest.fixture(scope="module")
def dsn(windows: Windows, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a window with as many orders as the test module's PEDIDOS says, else 30."""
    with windows.open(pedidos=getattr(request.module, "PEDIDOS", PEDIDOS)) as made:
        yield made


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
