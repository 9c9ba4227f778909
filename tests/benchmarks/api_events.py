"""How soon a client hears of a commit in SGP, over the whole road; and how much memory the VPS takes."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import re
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from multiprocessing.queues import Queue
from pathlib import Path
from statistics import median

import psutil

from db import tied
from db.engines import connect
from db.waiting import wait_until
from infra.devstack.layout import StackSettings
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root
from infra.devstack.seed import DEMO_LOGIN
from infra.devstack.stack import Stack
from infra.vps import read_assignments
from tests.fix_api import make_token, make_window, percentile, run_api, run_cluster
from tests.ports import find_free_ports

CHANGES_PER_S = 50
CHANGES = 500
WARM_UP = 50
PEDIDOS = 10_000
STREAMS = 200
QUIET_S = 3.0


@contextmanager
def run_stack() -> Iterator[Stack]:
    """Run the whole of Ponte in a folder of its own."""
    with tempfile.TemporaryDirectory() as repository:
        root = runtime_root(Path(repository))
        ports = Ports(*find_free_ports(len(fields(Ports))))
        stack = Stack(
            StackSettings(root=root, ports=ports, environ=os.environ, parameters={}), say=lambda _: None
        )
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
            shutil.rmtree(root)


class Listener(threading.Thread):
    """Reads a stream of events; `open` once it is. `heard` gets each order's number with the time."""

    def __init__(self, port: int, token: str, heard: Callable[[tuple[int, float]], object]) -> None:
        super().__init__(daemon=True)
        self.open = threading.Event()
        self._heard = heard
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._token = token

    def run(self) -> None:
        """Read until the connection ends."""
        self._connection.request("GET", "/eventos", headers={"Authorization": f"Bearer {self._token}"})
        answer = self._connection.getresponse()
        for line in answer:
            if line.startswith(b"data: "):
                now = time.perf_counter()
                self.open.set()
                for pedido_id in json.loads(line[6:]).get("mudou", ()):
                    self._heard((pedido_id, now))


def listen(port: int, token: str, heard: Queue[tuple[int, float]]) -> None:
    """Listen in a process of its own, as a client is; the first thing heard is that the stream is open."""
    tied.end_with(os.getppid())
    listener = Listener(port, token, heard.put)
    listener.start()
    listener.open.wait()
    heard.put((0, time.perf_counter()))
    listener.join()


def log_in(url: str) -> str:
    """Return a session token, once the credentials have arrived."""
    username, password = DEMO_LOGIN
    body = json.dumps({"username": username, "password": password}).encode()
    found: list[str] = []

    def try_once() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/auth/login", data=body, timeout=5) as answer:  # noqa: S310
                found.append(json.load(answer)["session_token"])
        except OSError:
            return False
        return True

    if not wait_until(try_once, 60):
        raise RuntimeError("nobody can log in")
    return found[0]


def wait_for_quiet(stack: Stack) -> None:
    """Wait until the worker has made its miniaturas: it takes the cores that are measured here."""
    with connect(stack.clusters["vps"].conninfo("vps")) as vps:
        quiet_since, last = time.monotonic(), -1

        def is_quiet() -> bool:
            nonlocal quiet_since, last
            row = vps.execute("SELECT count(*) FROM vitrine.miniaturas").fetchone()
            now = row[0] if row else 0
            if now != last:
                quiet_since, last = time.monotonic(), now
            return time.monotonic() - quiet_since > QUIET_S

        wait_until(is_quiet, 120)


@cache
def measure_events() -> list[float]:
    """Return milliseconds from the return of each commit in SGP to its event at a client."""
    spawn = multiprocessing.get_context("spawn")
    heard: Queue[tuple[int, float]] = spawn.Queue()
    with run_stack() as stack:
        wait_for_quiet(stack)
        port, token = stack.settings.ports.api, log_in(stack.settings.api_url)
        client = spawn.Process(target=listen, args=(port, token, heard), daemon=True)
        client.start()
        heard.get(timeout=30)
        changes = list(_change_orders(stack))
        arrivals: dict[int, list[float]] = {}
        while any(_find_arrival(arrivals, *change) is None for change in changes):
            pedido_id, at = heard.get(timeout=30)
            arrivals.setdefault(pedido_id, []).append(at)
        client.terminate()
        client.join()
    found = [(_find_arrival(arrivals, *change), change[2]) for change in changes]
    return [(at - committed) * 1000 for at, committed in found[WARM_UP:] if at is not None]


def _change_orders(stack: Stack) -> Iterator[tuple[int, float, float]]:
    """Change orders at a steady pace; yield each with the times before and after its commit."""
    with connect(stack.clusters["sgp"].conninfo("sgp")) as sgp:
        ids = [row[0] for row in sgp.execute("SELECT id FROM pedidos ORDER BY id LIMIT 550").fetchall()]
        due = time.perf_counter()
        for number in range(CHANGES + WARM_UP):
            pedido_id = ids[number % len(ids)]
            due += 1 / CHANGES_PER_S
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            sgp.execute("UPDATE pedidos SET observacao = %s WHERE id = %s", [f"bench {number}", pedido_id])
            yield pedido_id, began, time.perf_counter()


def _find_arrival(
    arrivals: dict[int, list[float]], pedido_id: int, began: float, _committed: float
) -> float | None:
    """Return when the first event about the order came after a change began."""
    return next((at for at in arrivals.get(pedido_id, ()) if at > began), None)


def commit_to_event_ms_median() -> float:
    """Return the median."""
    return median(measure_events())


def commit_to_event_ms_p99() -> float:
    """Return the delay that one in a hundred exceeds."""
    return percentile(measure_events(), 0.99)


def vps_memory_mb() -> float:
    """Return what the API and PostgreSQL take together, with the list kept and many streams open."""
    given = read_assignments("api-1gb.env")
    settings = {name.removeprefix("PONTE_API_"): value for name, value in given.items()}
    with run_cluster(read_assignments("postgresql-1gb.conf")) as cluster:
        dsn = make_window(cluster, "bench", pedidos=PEDIDOS)
        with run_api(
            dsn, **{name.removeprefix("PONTE_API_"): value for name, value in settings.items()}
        ) as api:
            client = api.connect()
            for coding in ("", "gzip", "br", "zstd"):
                answer = client.get("/pedidos/", Accept_Encoding=coding)
                if answer.status != 200:
                    raise RuntimeError(f"the list answers {answer.status}")
            listeners = [Listener(api.port, make_token(), lambda _: None) for _ in range(STREAMS)]
            for listener in listeners:
                listener.start()
            if not all(listener.open.wait(30) for listener in listeners):
                raise RuntimeError("a stream does not open")
            postmaster = cluster.postmaster()
            if postmaster is None:
                raise RuntimeError("the cluster has stopped")
            return _measure_memory(postmaster, psutil.Process(api.process.pid)) / 2**20


def _measure_memory(*roots: psutil.Process) -> int:
    """Add up the proportional memory of process trees: what is shared counts once."""
    return sum(_read_pss(process.pid) for root in roots for process in (root, *root.children(recursive=True)))


def _read_pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


FIGURES = {one.__name__: one for one in (commit_to_event_ms_median, commit_to_event_ms_p99, vps_memory_mb)}
