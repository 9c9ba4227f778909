"""How soon each failure is named, on a road that was well until it broke: each face is asked all the time.

Collected by `tests.benchmarks.watch` alone. The API's headers know no causes; how soon their word turns is
noted by the tests of the watch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from db.freshness import Cause
from publications.declare.declaration import STARTING_PATH
from publications.settings import watch_variable
from tests.fix_breaks import FAILURES
from tests.fix_watch import WatchedRoad

DEADLINE_S = 30.0
Ask = Callable[[], set[str]]


@contextmanager
def worker_dead(seen: WatchedRoad) -> Iterator[None]:
    seen.heart.stop()
    try:
        yield
    finally:
        seen.heart.start()


BREAKS = {name: (break_, cause) for name, (break_, cause, _) in FAILURES.items()} | {
    "worker dead": (worker_dead, Cause.WORKER_DEAD)
}


def ask_command(seen: WatchedRoad, verb: str) -> set[str]:
    """Run `ponte` as an operator does."""
    watched = {watch_variable(name): dsn.get_secret_value() for name, dsn in seen.dsns.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PONTE_")}
    command = [sys.executable, "-m", "publications", verb, "--json", "--declaration", str(STARTING_PATH)]
    said = subprocess.run(command, env={**inherited, **watched}, capture_output=True, check=False)
    return set(json.loads(said.stdout)["subscribers"]["vps"]["causes"])


def time_naming(ask: Ask, wanted: str, began: float) -> float:
    """Return after how many seconds a face named a cause."""
    while time.monotonic() < began + DEADLINE_S:
        if wanted in ask():
            return time.monotonic() - began
        time.sleep(0.05)
    raise TimeoutError(f"not in {DEADLINE_S:g} s: {wanted}")


@pytest.mark.parametrize("failure", BREAKS)
def test_a_failure_is_named(
    watched_road: WatchedRoad, failure: str, record_property: Callable[[str, object], None]
) -> None:
    break_, cause = BREAKS[failure]
    faces: dict[str, Ask] = {
        "panel": lambda: {str(one) for one in watched_road.read_panel().causes or ()},
        "metrics": lambda: {str(one) for one in watched_road.read_metrics().causes or ()},
        "status": lambda: ask_command(watched_road, "status"),
        "lag": lambda: ask_command(watched_road, "lag"),
    }
    watched_road.wait_ok()
    taken: dict[str, float] = {}
    with break_(watched_road):
        began = time.monotonic()

        def run(name: str) -> None:
            taken[name] = time_naming(faces[name], cause.value, began)

        askers = [threading.Thread(target=run, args=(name,)) for name in faces]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    watched_road.heart.stop()
    watched_road.heart.start()
    watched_road.wait_ok()
    assert taken.keys() == faces.keys(), taken
    for name, seconds in taken.items():
        record_property(f"{failure}: {name}", seconds)
