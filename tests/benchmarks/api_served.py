"""How soon a commit in SGP is in an answer of the API, for a client that asks when it hears of the change."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from multiprocessing.queues import Queue
from statistics import median

from db import tied
from db.engines import connect
from infra.devstack.stack import Stack
from tests.benchmarks.api_events import CHANGES, CHANGES_PER_S, Listener, log_in, run_stack, wait_for_quiet

LOOKED_AT = 50
"""So many orders take turns: each is asked for whenever it has changed."""
WARM_UP = 2 * LOOKED_AT
MARK = "bench "
"""What the notes of orders begin with here; a number follows."""

Served = tuple[int, int, float]
"""An order, the number of the change that an answer showed, and when; order 0: the stream is open."""


class Reader:
    """Asks for each order that an event names, and hands on what it was answered."""

    def __init__(self, port: int, token: str, served: Queue[Served]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._fields = {"Authorization": f"Bearer {token}"}
        self._served = served

    def read(self, heard: tuple[int, float]) -> None:
        """Ask for one order."""
        self._connection.request("GET", f"/pedidos/{heard[0]}", headers=self._fields)
        note = json.loads(self._connection.getresponse().read())["observacao"]
        now = time.perf_counter()
        if note and note.startswith(MARK):
            self._served.put((heard[0], int(note.removeprefix(MARK)), now))


def follow(port: int, token: str, served: Queue[Served]) -> None:
    """Be a client, in a process of its own."""
    tied.end_with(os.getppid())
    listener = Listener(port, token, Reader(port, token, served).read)
    listener.start()
    listener.open.wait()
    served.put((0, 0, time.perf_counter()))
    listener.join()


@cache
def measure_served() -> list[float]:
    """Return milliseconds from the return of each commit in SGP to the answer that shows it."""
    spawn = multiprocessing.get_context("spawn")
    served: Queue[Served] = spawn.Queue()
    with run_stack() as stack:
        wait_for_quiet(stack)
        port, token = stack.settings.ports.api, log_in(stack.settings.api_url)
        client = spawn.Process(target=follow, args=(port, token, served), daemon=True)
        client.start()
        served.get(timeout=30)
        changes = list(_change_orders(stack))
        answers: defaultdict[int, list[Served]] = defaultdict(list)
        while any(_find_answer(answers[pedido_id], number) is None for pedido_id, number, _ in changes):
            answer = served.get(timeout=30)
            answers[answer[0]].append(answer)
        client.terminate()
        client.join()
    found = [(_find_answer(answers[pedido_id], number), at) for pedido_id, number, at in changes]
    return [(answered - at) * 1000 for answered, at in found[WARM_UP:] if answered is not None]


def _find_answer(answers: Sequence[Served], number: int) -> float | None:
    """Return when the first answer came that showed a change or a later one of the same order."""
    return next((at for _, shown, at in answers if shown >= number), None)


def _change_orders(stack: Stack) -> Iterator[Served]:
    """Change orders at a steady pace; yield each with its change's number and the time after the commit."""
    with connect(stack.clusters["sgp"].conninfo("sgp")) as sgp:
        query = "SELECT id FROM pedidos ORDER BY id LIMIT %s"
        ids = [row[0] for row in sgp.execute(query, [LOOKED_AT]).fetchall()]
        due = time.perf_counter()
        for number in range(CHANGES + WARM_UP):
            pedido_id = ids[number % len(ids)]
            due += 1 / CHANGES_PER_S
            time.sleep(max(0.0, due - time.perf_counter()))
            sgp.execute("UPDATE pedidos SET observacao = %s WHERE id = %s", [f"{MARK}{number}", pedido_id])
            yield pedido_id, number, time.perf_counter()


def commit_to_served_ms_median() -> float:
    """Return the median."""
    return median(measure_served())


FIGURES = {one.__name__: one for one in (commit_to_served_ms_median,)}
