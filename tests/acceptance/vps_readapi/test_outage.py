"""The VPS's database away, back, and the API's processes killed or told to stop."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from db.waiting import wait_until
from infra.devstack.clusters import Cluster
from tests.fix_api import Client, Windows, read_events, run_api, write_session

pytestmark = pytest.mark.acceptance


@pytest.fixture
def cluster(windows: Windows) -> Cluster:
    return windows.cluster


@pytest.fixture
def dsn(windows: Windows) -> Iterator[str]:
    with windows.open(pedidos=5) as made:
        yield made


def touch(dsn: str, note: str) -> None:
    with write_session(dsn) as conn:
        conn.execute("UPDATE vitrine.pedidos SET observacao = %s, versao = versao + 1 WHERE id = 1", [note])


def test_without_the_database_nothing_is_claimed_and_it_comes_back_by_itself(
    cluster: Cluster, dsn: str
) -> None:
    with run_api(dsn) as api:
        client = Client(api.port)
        assert client.get("/pedidos/1").status == 200
        cluster.stop("immediate")
        away = client.get("/pedidos/1")
        assert (away.status, away.headers["retry-after"]) == (503, "5")
        assert [client.get(path).status for path in ("/saude/viva", "/", "/saude/pronta")] == [200, 200, 503]
        assert [client.get(path).status for path in ("/pedidos/", "/pedidos/?limit=1")] == [503] * 2
        cluster.start()
        touch(dsn, "depois")
        assert wait_until(lambda: client.get("/pedidos/1").status == 200, 60)
        assert client.get("/pedidos/1").json()["observacao"] == "depois"
        client.close()


def test_a_short_restart_of_the_database_is_waited_out(cluster: Cluster, dsn: str) -> None:
    with run_api(dsn) as api:
        client = Client(api.port)
        client.get("/pedidos/1")
        cluster.stop("fast")
        restarted = threading.Thread(target=cluster.start)
        restarted.start()
        answer = client.get("/pedidos/1")
        restarted.join()
        assert answer.status == 200
        client.close()


def test_a_killed_process_is_replaced_and_the_port_goes_on(dsn: str) -> None:
    with run_api(dsn, processes="2") as api:
        parent = psutil.Process(api.process.pid)
        before = _workers(parent)
        assert len(before) == 2
        before[0].kill()
        assert wait_until(lambda: len(set(_workers(parent)) - set(before[:1])) == 2, 60)
        for _ in range(10):
            client = Client(api.port)
            assert client.get("/pedidos/1").status == 200
            client.close()


def _workers(parent: psutil.Process) -> list[psutil.Process]:
    found = []
    for one in parent.children():
        with contextlib.suppress(psutil.Error):
            if "vps_readapi.worker" in one.cmdline():
                found.append(one)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_stop_ends_streams_and_is_quick(dsn: str) -> None:
    with run_api(dsn) as api:
        events = read_events(api.port)
        assert next(events)["event"] == "pulso"
        api.process.send_signal(signal.SIGTERM)
        assert list(events) == []
        assert api.process.wait(60) == 0
        assert "timeout graceful shutdown exceeded" not in api.log_file.read_text()
