"""Wait for copies and for what was sent: always with a bound, and a word on what is waited for."""

from __future__ import annotations

import time

from db.engines import Connection
from db.errors import PonteError
from db.waiting import wait_until
from publications.act.copying import Copying, Left
from publications.act.endpoints import Endpoints
from publications.act.holders import find_holders
from publications.act.subscriptions import read_copying, read_moved, read_sizes
from publications.ddl.acts import AwaitArrival
from publications.declare.declaration import Hop

STALL_S = 120
"""A copy that brings nothing for so long does not go on by itself, or waits for somebody."""
ARRIVAL_TIMEOUT_S = 60
POLL_S = 0.05


class CopyTimeoutError(PonteError):
    """Tables were not copied in time."""


class ArrivalTimeoutError(PonteError):
    """A subscriber did not get in time what it was sent."""


def wait_for_copies_to(endpoints: Endpoints, endpoint: str, subscription: str | None) -> None:
    """Return when nothing is copied to an endpoint, or by its one subscription."""
    for hop in endpoints.declaration.hops:
        if hop.target == endpoint and subscription in {None, hop.subscription}:
            wait_for_hop(endpoints, hop)


def wait_for_hop(endpoints: Endpoints, hop: Hop, *, timeout_s: float | None = None) -> None:
    """Return when all tables of a subscription are copied and follow. Raise CopyTimeoutError."""
    target = endpoints.connections[hop.target]
    began = moved = time.monotonic()
    best: tuple[int, ...] = ()
    found = read_copying(target, hop.subscription)
    sizes = read_sizes(endpoints.connections[hop.source], [one[0] for one in found]) if found else {}
    while found:
        left = [Copying(*one, sizes.get(one[0], 0)) for one in found]
        endpoints.copy_report(left)
        # A copy that fails and begins again counts the same rows each time: only more than ever is progress.
        score = progress_of(left, read_moved(target, hop.subscription))
        if not best or any(now > before for now, before in zip(score, best, strict=True)):
            best, moved = tuple(map(max, zip(score, best or score, strict=True))), time.monotonic()
        if time.monotonic() - moved > STALL_S or time.monotonic() - began > (timeout_s or float("inf")):
            raise _explain_stall(endpoints, hop, left, time.monotonic() - moved)
        time.sleep(POLL_S)
        found = read_copying(target, hop.subscription)


def progress_of(left: Left, moved: int) -> tuple[int, ...]:
    """Return numbers of which one grows while anything comes: over a full table no row counts as copied."""
    return -len(left), sum(one.rows for one in left), sum(one.size for one in left), moved


def _explain_stall(endpoints: Endpoints, hop: Hop, left: Left, silent_s: float) -> CopyTimeoutError:
    fact = (
        f"{len(left)} tables of {hop.subscription} on {hop.target} are not copied, first {left[0].table},"
        f" and nothing came for {silent_s:.0f} s"
    )
    for endpoint, writers in ((hop.source, True), (hop.target, False)):
        if found := find_holders(endpoints.connections[endpoint], writers=writers):
            said = f"{fact}; on {endpoint} there is {found[0]}"
            return CopyTimeoutError(said, f"on {endpoint}: {found[0].remedy}; then run 'ponte apply' again")
    return CopyTimeoutError(
        fact, f"the log of {hop.target}'s server says why; then run 'ponte apply' again: it goes on from here"
    )


def wait_for_arrival(source: Connection, act: AwaitArrival, target: str) -> None:
    """Return when the subscriber has all that was written so far. Raise ArrivalTimeoutError."""
    [written] = source.execute("SELECT pg_current_wal_lsn()").fetchone() or [None]
    query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn < %s"

    def has_all() -> bool:
        return source.execute(query, [act.slot, written]).fetchone() is None

    if not wait_until(has_all, ARRIVAL_TIMEOUT_S, poll_s=POLL_S):
        raise ArrivalTimeoutError(
            f"{target} has not got all that {act.source} sent after {ARRIVAL_TIMEOUT_S} s, up to"
            f" {written}, so {act.table} still holds what is to go",
            "see with 'ponte lag' why it is behind, then run 'ponte apply' again",
        )
