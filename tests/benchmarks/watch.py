"""The watch on a real road: how well a slot's end is foretold, how soon a failure has its cause."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from pydantic import SecretStr

from db import lifetime
from db.engines import connect
from db.waiting import wait_until
from infra.devstack.layout import StackSettings
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root
from infra.devstack.stack import Stack
from publications.settings import read_watch_dsns
from publications.watch.road import Watch
from tests.fix_watch import Heart
from tests.ports import find_free_ports

WATCHED = Path(__file__).parents[1] / "acceptance/publications/watch/test_watch.py"
MODULES = (Path(__file__).with_name("naming.py"), WATCHED)
CHOSEN = "named or kill or skewed or poll_died"
KEEP_MB = 480
RATE_BYTES_PER_S = 24e6
PREDICT_AFTER_S = 8.0
DEADLINE_S = 60.0
PARAMETERS = {"max_slot_wal_keep_size": f"{KEEP_MB}MB", "max_wal_size": "32MB", "min_wal_size": "32MB"}


@cache
def start_road() -> tuple[Stack, Heart]:
    """Run the road with its heart and without the other services."""
    folder = Path(tempfile.mkdtemp(prefix="ponte-bench-"))
    ports = Ports(*find_free_ports(len(fields(Ports))))
    settings = StackSettings(runtime_root(folder), ports, os.environ, parameters=PARAMETERS)
    stack = Stack(settings, say=lambda text: print(text, file=sys.stderr))
    secret = stack.settings.folders.worker / "ponte_worker_sgp_dsn"
    atexit.register(_remove, stack, folder)
    stack.start_road()
    heart = Heart(secret.read_text(encoding="utf-8").strip())
    heart.start()
    return stack, heart


def _remove(stack: Stack, folder: Path) -> None:
    stack.stop()
    shutil.rmtree(stack.settings.root, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _dsns(stack: Stack) -> dict[str, SecretStr]:
    return read_watch_dsns(stack.declaration, {"PONTE_SECRETS_DIR": str(stack.settings.folders.watch)})


@cache
def time_names() -> dict[str, float]:
    """Break the road in every way; return after how many seconds the last face had each failure's name."""
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "noted.xml"
        subprocess.run(
            lifetime.tie(
                [sys.executable, "-m", "pytest", *MODULES, "-k", CHOSEN, "-q", f"--junitxml={noted}"]
            ),
            check=True,
            stdout=sys.stderr,
        )
        properties = list(ElementTree.parse(noted).iter("property"))  # noqa: S314  # our own
    taken: dict[str, float] = {}
    for one in properties:
        failure = one.attrib["name"].partition(":")[0]
        taken[failure] = max(taken.get(failure, 0.0), float(one.attrib["value"]))
    return taken


def _wait(condition: Callable[[], bool], what: str) -> None:
    if not wait_until(condition, DEADLINE_S):
        raise TimeoutError(f"not in {DEADLINE_S:g} s: {what}")


@cache
def measure_forecast() -> tuple[float, float]:
    """Return for how long the slot was foretold to last, and for how long it did, in seconds."""
    stack, _ = start_road()
    stop = threading.Event()
    writer = threading.Thread(target=_write_wal, args=(stack, stop))
    with Watch(stack.declaration, _dsns(stack)) as watch:
        watch.look_first()
        stack.link.cut()
        writer.start()
        try:
            stop.wait(PREDICT_AFTER_S)
            foretold_s = watch.look().subscribers["vps"].export.forecast.slot_left_s
            began = time.monotonic()
            _wait(lambda: _is_lost(stack), "a lost slot")
        finally:
            stop.set()
            writer.join()
    if foretold_s is None:
        raise ValueError("nothing was foretold")
    return foretold_s, time.monotonic() - began


def _write_wal(stack: Stack, stop: threading.Event) -> None:
    """Write at a steady rate, by an absolute schedule."""
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as conn:
        began, written = time.monotonic(), 0
        while not stop.is_set():
            conn.execute("SELECT pg_logical_emit_message(false, 'bench', repeat('x', 500000))")
            written += 500_000
            stop.wait(max(0.0, began + written / RATE_BYTES_PER_S - time.monotonic()))


def _is_lost(stack: Stack) -> bool:
    with connect(stack.clusters["vitrine"].conninfo("vitrine")) as conn:
        row = conn.execute(
            "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = 'slot_vps'"
        ).fetchone()
    return row is not None and bool(row[0])


def _error() -> float:
    foretold_s, lasted_s = measure_forecast()
    return abs(foretold_s - lasted_s) / lasted_s


def _time(failure: str) -> Callable[[], float]:
    return lambda: time_names()[failure]


FAILURES = (
    "apply stopped",
    "apply blocked by a lock",
    "apply killed",
    "link cut",
    "link deaf",
    "link cut one way",
    "intake shut out",
    "SGP takes no writes",
    "SGP down",
    "vitrine down",
    "worker dead",
    "clock skewed",
    "slot lost",
    "poll died",
)
FIGURES: dict[str, Callable[[], float]] = {
    **{f"watch_{failure.lower().replace(' ', '_')}_named_s": _time(failure) for failure in FAILURES},
    "watch_slot_lasted_s": lambda: measure_forecast()[1],
    "watch_slot_forecast_error": _error,
}
