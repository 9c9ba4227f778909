"""From what the databases show to what freshness is judged by. Pure."""

from __future__ import annotations

from dataclasses import replace

from db.freshness import Arrival, Cause, Fault, Observation
from publications.watch.causes import find_server_fault
from publications.watch.history import Past
from publications.watch.hops import HopView
from publications.watch.sight import Sight


def is_copying(hop: HopView) -> bool:
    """Tell whether tables come for the first time."""
    if hop.push is not None:
        return hop.push.rows_to_copy is not None
    return bool(hop.subscription and hop.subscription.not_ready)


def observe_heart(seen: Observation, source: Sight, window: Sight) -> Observation:
    """Add what SGP's own database shows of the worker's beats."""
    return replace(
        seen,
        sgp_answers=source.answers,
        beatless_s=_beatless_s(source),
        worker_connected=_has_worker(source),
        worker_elsewhere=window.answers and _has_worker(window),
        worker_waits_s=_worker_waits_s(source),
    )


def find_arrival(sight: Sight, past: Past) -> Arrival | None:
    """Return the newest beat that came; the history's where nothing is seen."""
    if sight.beat_missing:
        return None
    if sight.beat is None:
        return past.arrival
    return Arrival(sight.beat.beat_at, sight.beat.arrived_at, sight.beat.now)


def _beatless_s(source: Sight) -> float | None:
    """Return the time since the last beat, by SGP's clock; or since we saw it change."""
    if source.beat is None or source.beat.beat_at is None:
        return None
    by_its_clock = (source.beat.now - source.beat.beat_at).total_seconds() + source.beat_unread_s
    return max(by_its_clock, source.beat_unchanged_s)


def find_server_faults(source: Sight | None, window: Sight, subscriber: Sight | None) -> list[Fault]:
    """Return what is wrong with the servers themselves; without one there is nothing wrong with it."""
    found = (
        find_server_fault(window, down=Cause.WINDOW_DOWN, silent=Cause.WINDOW_DOWN),
        find_server_fault(subscriber, down=Cause.VPS_DOWN, silent=Cause.LINK_DOWN) if subscriber else None,
        find_server_fault(source, down=Cause.SGP_DOWN, silent=Cause.SGP_DOWN) if source else None,
    )
    return [fault for fault in found if fault is not None]


def _has_worker(sight: Sight) -> bool:
    worker = sight.reading.worker if sight.reading else None
    return worker is not None and worker.count > 0


def _worker_waits_s(source: Sight) -> float:
    worker = source.reading.worker if source.reading else None
    return (worker.lock_wait_s if worker else None) or 0.0


def find_skew_s(source: Sight, subscriber: Sight) -> float:
    """Return by how many seconds the source's clock is ahead."""
    if source.clock_offset_s is None or subscriber.clock_offset_s is None:
        return 0.0
    return source.clock_offset_s - subscriber.clock_offset_s
