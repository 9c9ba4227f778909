"""Ways for a road to fail, each undone at the end of a block, and the wait until every face has named it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from db.freshness import Cause, FreshnessState
from db.waiting import wait_until
from tests.fix_watch import BEAT_S, Face, WatchedRoad

FRESH, LAGGING, SILENT = FreshnessState
WORDS = {FRESH: "Atenção", LAGGING: "ATRASADA", SILENT: "SEM NOTÍCIAS"}
TWO_BEATS_S = 2 * BEAT_S
FACES = 5
LOOK_S = 0.1
"""How often all faces are looked at: it is work for each of them."""
ONE_POLL_S = 1.5
"""A follower looks and the panel looks at it, each every half second, and the sampler at both."""
CROSSING_S = 1.5
"""The last beat that arrives is so much younger than what it is to become."""
SLACK_S = 30.0
"""Five faces are asked one after the other, and a command that waits for a deaf link takes four seconds."""


Break = Callable[[WatchedRoad], AbstractContextManager[None]]


@contextmanager
def apply_disabled(seen: WatchedRoad) -> Iterator[None]:
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    try:
        yield
    finally:
        seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")


@contextmanager
def apply_blocked(seen: WatchedRoad) -> Iterator[None]:
    with seen.road.connect("vps") as conn, conn.transaction():
        conn.execute("LOCK TABLE vitrine.pedidos IN SHARE ROW EXCLUSIVE MODE")
        seen.road.run("sgp", "UPDATE pedidos SET observacao = 'travado ' || clock_timestamp() WHERE id = 1")
        yield


@contextmanager
def link_cut(seen: WatchedRoad) -> Iterator[None]:
    seen.cut()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def link_deaf(seen: WatchedRoad) -> Iterator[None]:
    seen.deafen()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def writes_stopped(seen: WatchedRoad) -> Iterator[None]:
    with seen.road.connect("sgp") as conn, conn.transaction():
        conn.execute("SELECT 1 FROM ponte.heartbeat FOR UPDATE")
        yield


@contextmanager
def link_cut_one_way(seen: WatchedRoad) -> Iterator[None]:
    """The VPS can't reach the vitrine, and whoever watches reaches both."""
    seen.road.link.cut()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def intake_shut_out(seen: WatchedRoad) -> Iterator[None]:
    """SGP's server refuses the vitrine, and answers whoever watches."""
    role = seen.road.declaration.intake.role
    seen.road.run("sgp", f"ALTER ROLE {role} NOLOGIN")
    seen.road.run(
        "sgp",
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'slot_intake'",
    )
    try:
        yield
    finally:
        seen.road.run("sgp", f"ALTER ROLE {role} LOGIN")


def server_down(name: str) -> Break:
    @contextmanager
    def stopped(seen: WatchedRoad) -> Iterator[None]:
        cluster = seen.road.servers.clusters[name]
        cluster.stop("immediate")
        try:
            yield
        finally:
            cluster.start()

    return stopped


FAILURES: dict[str, tuple[Break, Cause, FreshnessState]] = {
    "apply stopped": (apply_disabled, Cause.SUBSCRIPTION_DISABLED, LAGGING),
    "apply blocked by a lock": (apply_blocked, Cause.APPLY_BLOCKED, LAGGING),
    "link cut": (link_cut, Cause.LINK_DOWN, SILENT),
    "link deaf": (link_deaf, Cause.LINK_DOWN, LAGGING),
    "link cut one way": (link_cut_one_way, Cause.EXPORT_CUT, LAGGING),
    "SGP takes no writes": (writes_stopped, Cause.SGP_IDLE, LAGGING),
    "intake shut out": (intake_shut_out, Cause.INTAKE_CUT, LAGGING),
    "SGP down": (server_down("sgp"), Cause.SGP_DOWN, LAGGING),
    "vitrine down": (server_down("vitrine"), Cause.WINDOW_DOWN, LAGGING),
}


def wait_faces(
    seen: WatchedRoad, state: FreshnessState, cause: Cause | None, timeout_s: float
) -> dict[str, float]:
    """Wait until all five faces say so; return after how many seconds each did. Fail with what they say."""
    began = time.monotonic()
    faces: dict[str, Face] = {}
    since: dict[str, float] = {}

    def ask(read: Callable[[], dict[str, Face]]) -> bool:
        found = read()
        faces.update(found)
        for name, face in found.items():
            if face.state is state and (face.causes is None or face.cause is cause):
                since.setdefault(name, time.monotonic() - began)
            else:
                since.pop(name, None)
        return set(found) <= set(since)

    def agree() -> bool:
        return ask(seen.read_quick_faces) and ask(seen.read_faces) and len(since) == FACES

    assert wait_until(agree, timeout_s, poll_s=LOOK_S), f"not {state}, {cause}: {faces}"
    return since


Named = Callable[[str, dict[str, float]], None]


@pytest.fixture
def named(record_property: Callable[[str, object], None]) -> Named:
    """Note after how many seconds the last face named a failure; `make bench` tells it."""
    return lambda failure, since: record_property(failure, max(since.values()))
