"""The watch over the whole road: what every database shows, brought together into one measurement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from db.freshness import FRESH_S, UNANSWERED_S, Arrival, HopState, Measurement, Observation, diagnose
from publications.declaration import Declaration, Export, Intake
from publications.follower import Follower, Sight
from publications.history import NO_PAST, Past
from publications.lag import (
    SOURCE,
    SUBSCRIBER,
    WINDOW,
    Backlog,
    SubscriptionState,
    judge_hop,
    measure_behind_s,
    waits,
)
from publications.slots import WINDOW_S, Forecast, SlotState, WalSample, forecast

PATIENCE_S = 6.0
"""How long a first look waits for what neither answers nor fails: a slow link needs its round trips."""
SETTLED_BYTES = 1_000_000
"""With less than this to be confirmed, a beat that does not arrive is not on its way."""


@dataclass(frozen=True)
class HopView:
    """One hop: its two ends, how far apart they are, and how long that can go on."""

    source: str
    target: str
    state: HopState
    slot_name: str
    subscription_name: str
    slot: SlotState | None
    """As last seen; None if there is none, or nothing was seen yet."""
    slot_known: bool
    """Its server answers: what is said of the slot, or that there is none, is so now."""
    subscription: SubscriptionState | None
    """As last seen, also while the target is away."""
    behind_s: float | None
    forecast: Forecast
    complete: bool
    """The subscription has all that is declared, as far as can be told."""
    beat_lost: bool
    """Changes pass and the beat does not."""


@dataclass(frozen=True)
class SubscriberView:
    """One subscriber's road."""

    name: str
    observation: Observation
    intake: HopView
    export: HopView

    @property
    def hops(self) -> tuple[HopView, HopView]:
        """In the data's order."""
        return (self.intake, self.export)


@dataclass(frozen=True)
class View:
    """All that one look gives."""

    sights: Mapping[str, Sight]
    subscribers: Mapping[str, SubscriberView]
    source: str
    window: str

    @property
    def hops(self) -> list[HopView]:
        """Each hop once: all subscribers share the intake."""
        return list({hop.slot_name: hop for one in self.subscribers.values() for hop in one.hops}.values())

    @property
    def backlog(self) -> Backlog | None:
        """What waits, as last counted."""
        return self.sights[self.window].backlog

    @property
    def as_applied(self) -> dict[str, bool]:
        """By endpoint: whether what it publishes is what was applied; without those that are not known."""
        window = self.sights[self.window].reading
        published = {
            name: reading.published
            for name in (self.source, self.window)
            if (reading := self.sights[name].reading)
        }
        applied = {name: one.fingerprint for name, one in window.applied.items()} if window else {}
        return {name: applied.get(name) == found for name, found in published.items() if window}

    def measure(self, subscriber: str, *, elapsed_s: float = 0.0) -> Measurement:
        """Measure, so many seconds after the look."""
        seen = self.subscribers[subscriber].observation
        later = replace(seen, unread_s=seen.unread_s + elapsed_s, unpolled_s=elapsed_s)
        return diagnose(later)


class Watch:
    """Follows every database of a declaration; a context manager."""

    def __init__(
        self,
        declaration: Declaration,
        dsns: Mapping[str, SecretStr],
        *,
        interval_s: float = 1.0,
        disk: Path | None = None,
    ) -> None:
        self._declaration = declaration
        intake = declaration.intake
        self._exports = {export.target: export for export in declaration.active_exports}
        subscribers = {
            name: Follower(name, dsns[name], SUBSCRIBER, interval_s=interval_s, unanswered_s=UNANSWERED_S)
            for name in self._exports
        }
        source = Follower(
            intake.source,
            dsns[intake.source],
            SOURCE,
            interval_s=interval_s,
            slots=(intake.slot,),
            disk=disk,
            unanswered_s=UNANSWERED_S,
        )
        window = Follower(
            intake.target,
            dsns[intake.target],
            WINDOW,
            interval_s=interval_s,
            slots=[export.slot for export in self._exports.values()],
            subscribers=tuple(self._exports),
            disk=disk,
            unanswered_s=UNANSWERED_S,
        )
        self._followers = {intake.source: source, intake.target: window, **subscribers}

    def __enter__(self) -> Self:
        for follower in self._followers.values():
            follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for follower in self._followers.values():
            follower.stop()
        for follower in self._followers.values():
            follower.join(0.2)

    def look_first(self) -> View:
        """Wait until every database was tried once, or is late, and look."""
        deadline = time.monotonic() + PATIENCE_S
        for follower in self._followers.values():
            follower.wait_first(max(0.0, deadline - time.monotonic()))
        return self.look()

    def look(self) -> View:
        """Bring together what is known now; waits for nothing."""
        sights = {name: follower.look() for name, follower in self._followers.items()}
        intake = self._declaration.intake
        past = sights[intake.target].past
        passed_s = sights[intake.target].past_read_s
        carried = self._view_hop(intake, sights, _age(next(iter(past.values()), NO_PAST).sgp, passed_s))
        view = View(sights, {}, intake.source, intake.target)
        drifted = False in view.as_applied.values()
        subscribers = {
            name: self._view_subscriber(name, sights, carried, past.get(name, NO_PAST), drifted=drifted)
            for name in self._exports
        }
        return replace(view, subscribers=subscribers)

    def _view_subscriber(
        self, name: str, sights: Mapping[str, Sight], intake: HopView, past: Past, *, drifted: bool
    ) -> SubscriberView:
        source, window, subscriber = sights[intake.source], sights[intake.target], sights[name]
        export = self._view_hop(self._exports[name], sights, _age(past.vitrine, window.past_read_s))
        seen = Observation(
            arrival=_arrival(subscriber, past),
            unread_s=subscriber.beat_unread_s if subscriber.beat else past.unread_s + window.past_read_s,
            vps_answers=subscriber.answers,
            vitrine_answers=window.answers,
            sgp_answers=source.answers,
            intake=intake.state,
            export=export.state,
            beatless_s=_beatless_s(source),
            worker_connected=_has_worker(source),
            skew_s=_skew_s(source, subscriber),
            drifted=drifted or not (intake.complete and export.complete),
            beat_lost=intake.beat_lost or export.beat_lost,
            copying=any(hop.subscription and hop.subscription.not_ready for hop in (intake, export)),
            blind=any(sight.blind for sight in (source, window, subscriber)),
            sees_intranet=True,
        )
        return SubscriberView(name, seen, intake, export)

    def _view_hop(
        self, hop: Intake | Export, sights: Mapping[str, Sight], past: Sequence[WalSample]
    ) -> HopView:
        source, target = sights[hop.source], sights[hop.target]
        slot = source.reading.slot(hop.slot) if source.reading else None
        subscription = target.reading.subscription(hop.subscription) if target.reading else None
        free = source.reading.disk_free_bytes if source.reading else None
        state = judge_hop(
            source.reading if source.answers else None,
            target.reading if target.answers else None,
            slot=hop.slot,
            subscription=hop.subscription,
            fails_again=hop.subscription in target.failing,
            slot_replaced=_is_replaced(hop.slot, source, sights[self._declaration.intake.target]),
        )
        return HopView(
            source=hop.source,
            target=hop.target,
            state=state,
            slot_name=hop.slot,
            subscription_name=hop.subscription,
            slot=slot,
            slot_known=source.answers and source.reading is not None,
            subscription=subscription,
            behind_s=_measure_behind_s(source, target),
            forecast=forecast(_join(past, source.samples.get(hop.slot, ())), slot, disk_free_bytes=free),
            complete=_is_complete(hop, subscription),
            beat_lost=_is_beat_lost(state, slot, source, target),
        )


def _measure_behind_s(source: Sight, target: Sight) -> float | None:
    if not source.answers:
        return None
    return measure_behind_s(source.beat, source.beat_unread_s, target.beat, target.beat_unread_s)


def _age(past: Sequence[WalSample], passed_s: float) -> list[WalSample]:
    """Return what was read so long ago by the present clock, without what is too old to be a rate."""
    aged = [replace(one, at_s=one.at_s - passed_s) for one in past]
    return [one for one in aged if one.at_s > -WINDOW_S]


def _join(past: Sequence[WalSample], present: Sequence[WalSample]) -> list[WalSample]:
    """Put samples from before in front; a server that was made anew begins again."""
    if not present:
        return []
    older = [one for one in past if one.wal_bytes <= present[0].wal_bytes and one.at_s < present[0].at_s]
    return [*older, *present]


def _is_complete(hop: Intake | Export, state: SubscriptionState | None) -> bool:
    if state is None:
        return True
    missing = {table.publication for table in hop.tables} - set(state.publications)
    return not missing and state.tables_followed >= len(hop.tables)


def _is_beat_lost(state: HopState, slot: SlotState | None, source: Sight, target: Sight) -> bool:
    """Tell whether a beat is waited for that will never come, though all else is confirmed."""
    following = target.reading is not None and not any(one.not_ready for one in target.reading.subscriptions)
    if state is not HopState.RUNNING or not following or not waits(source.beat, target.beat):
        return False
    settled = slot is not None and (slot.unconfirmed_bytes or 0) < SETTLED_BYTES
    return target.beat_missing or (settled and target.beat_unchanged_s > FRESH_S)


def _is_replaced(slot: str, source: Sight, window: Sight) -> bool:
    """Tell whether a slot went and `ponte apply`, which copies again, has not been there since."""
    gone_at = source.replaced.get(slot)
    applied = window.reading.applied.get(source.endpoint) if window.reading else None
    return gone_at is not None and (applied is None or applied.at <= gone_at)


def _arrival(sight: Sight, past: Past) -> Arrival | None:
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


def _has_worker(source: Sight) -> bool:
    return source.reading is not None and bool(source.reading.worker_sessions)


def _skew_s(source: Sight, subscriber: Sight) -> float:
    if source.clock_offset_s is None or subscriber.clock_offset_s is None:
        return 0.0
    return source.clock_offset_s - subscriber.clock_offset_s


def look_once(declaration: Declaration, dsns: Mapping[str, SecretStr], *, disk: Path | None = None) -> View:
    """Look at everything one time; one that does not answer is late after 6 s."""
    with Watch(declaration, dsns, disk=disk) as watch:
        return watch.look_first()
