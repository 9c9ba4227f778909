"""The watch on a real road: how well a slot's end is foretold, how soon a failure has its cause."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from db.engines import connect
from db.freshness import Cause
from infra.devstack.ports import Ports
from infra.devstack.postgres import runtime_root
from infra.devstack.stack import Stack, StackSettings
from infra.devstack.state import wait_until
from publications.settings import read_watch_dsns
from publications.watch import Watch
from tests.fix_watch import Heart
from tests.ports import find_free_ports

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
    secret = stack.folders.worker / "ponte_worker_sgp_dsn"
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
    return read_watch_dsns(stack.declaration, {"PONTE_SECRETS_DIR": str(stack.folders.watch)})


@cache
def time_causes() -> dict[Cause, float]:
    """Return how many seconds pass from each break until the watch names its cause."""
    stack, heart = start_road()
    vps = stack.clusters["vps"].conninfo("vps")

    def run(statement: str) -> None:
        with connect(vps) as conn:
            conn.execute(statement.encode())

    breaks: dict[Cause, tuple[Callable[[], None], Callable[[], None]]] = {
        Cause.LINK_DOWN: (stack.link.cut, stack.link.heal),
        Cause.APPLY_STOPPED: (
            lambda: run("ALTER SUBSCRIPTION sub_vps DISABLE"),
            lambda: run("ALTER SUBSCRIPTION sub_vps ENABLE"),
        ),
        Cause.WORKER_DEAD: (heart.stop, heart.start),
    }
    taken = {}
    with Watch(stack.declaration, _dsns(stack)) as watch:
        watch.look_first()
        for cause, (break_, mend) in breaks.items():
            _wait(lambda: watch.look().measure("vps").is_ok, "OK")
            began = time.monotonic()
            break_()
            _wait(lambda wanted=cause: watch.look().measure("vps").cause is wanted, cause)  # type: ignore[misc]
            taken[cause] = time.monotonic() - began
            mend()
    return taken


def _wait(condition: Callable[[], bool], what: str) -> None:
    if not wait_until(condition, DEADLINE_S):
        raise TimeoutError(f"not in {DEADLINE_S:g} s: {what}")


@cache
def measure_forecast() -> tuple[float, float]:
    """Return for how long the slot was foretold to last, and for how long it did, in seconds."""
    time_causes()  # before: this one ends the road
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


FIGURES = {
    "watch_link_down_named_s": lambda: time_causes()[Cause.LINK_DOWN],
    "watch_apply_stopped_named_s": lambda: time_causes()[Cause.APPLY_STOPPED],
    "watch_worker_dead_named_s": lambda: time_causes()[Cause.WORKER_DEAD],
    "watch_slot_lasted_s": lambda: measure_forecast()[1],
    "watch_slot_forecast_error": _error,
}
