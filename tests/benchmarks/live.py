"""A tunnel that is dead: what live questions that hang on it cost those who read the mirror."""

from __future__ import annotations

import http.client
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from statistics import median

from db.waiting import wait_until
from infra.devstack.link import Link
from tests.benchmarks.api_http import find_tool, run_window
from tests.fix_api import Client, RunningApi, make_token
from tests.fix_sgp import run_sgp

QUESTIONS = 50
READERS = 10
SECONDS = 6
ROUNDS = 7
TIMEOUT_S = 12.0
"""How long each question hangs: longer than a measurement takes."""
PHONES = """
local paths, n = { "/pedidos/7", "/pedidos/?status=pronto&limit=5" }, 0
function request() n = n + 1; return wrk.format("GET", paths[1 + n % 2]) end
function delay() return math.random(100, 300) end
function done(summary, latency)
  if summary.errors.status > 0 then error("a read failed") end
  io.write("p99 ", latency:percentile(99))
end
"""
"""What wrk is told: reads from memory and from the database in turns, each after a while, as people do."""


def read_p99_us(api: RunningApi, token: str) -> float:
    """Return the 99th percentile of a replicated read's time over all phones, in microseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(PHONES)
        script.flush()
        command = [find_tool("wrk", "wrk"), "-t1", f"-c{READERS}", f"-d{SECONDS}s", "-s", script.name]
        field = f"Authorization: Bearer {token}"
        done = subprocess.run([*command, "-H", field, api.url], capture_output=True, text=True, check=True)
    found = re.search(r"p99 (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])


@contextmanager
def hang(api: RunningApi, link: Link, fresh: count[int]) -> Iterator[None]:
    """Have questions hang on a link that swallows everything; each must still hang when the block ends."""
    link.deafen()
    answered: list[int] = []

    sent = threading.Barrier(QUESTIONS + 1)

    def ask(number: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)) as connection:
            headers = {"Authorization": f"Bearer {make_token()}"}
            connection.request("GET", f"/materiais/{number}", headers=headers)
            sent.wait()
            answered.append(connection.getresponse().status)

    threads = [threading.Thread(target=ask, args=(next(fresh),)) for _ in range(QUESTIONS)]
    for one in threads:
        one.start()
    sent.wait()
    yield
    early = len(answered)
    for one in threads:
        one.join()
    link.heal()
    if early or set(answered) != {503}:
        raise RuntimeError(f"{early} of {QUESTIONS} did not hang; they were answered {set(answered)}")


def wait_live(api: RunningApi) -> None:
    """Wait until SGP is asked again."""
    with closing(Client(api.port)) as client:
        if not wait_until(lambda: client.get("/materiais/1").headers.get("sync-source") == "live", 60):
            raise RuntimeError("SGP is not asked again")


def read_p99_tunnel_cut_vs_idle() -> float:
    """Compare the p99 of reads from the mirror while fifty questions hang with an idle API's, in turns."""
    with run_sgp() as sgp:
        link = Link(target=("127.0.0.1", sgp.port))
        link.start()
        settings: dict[str, str] = {
            "live_url": f"http://127.0.0.1:{link.port}",
            "live_seconds": str(TIMEOUT_S),
            "live_connect_seconds": str(TIMEOUT_S),
        }
        try:
            with run_window(520, **settings) as (_, _, api), closing(api.connect()) as client:
                read_p99_us(api, client.token)
                idle, cut, fresh = [], [], count(100)
                for _ in range(ROUNDS):
                    wait_live(api)
                    idle.append(read_p99_us(api, client.token))
                    with hang(api, link, fresh):
                        cut.append(read_p99_us(api, client.token))
                return median(cut) / median(idle)
        finally:
            link.stop()


FIGURES = {one.__name__: one for one in (read_p99_tunnel_cut_vs_idle,)}
