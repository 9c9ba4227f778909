"""The watch over the whole road: what every database shows, brought together into one measurement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from db.freshness import UNANSWERED_S, Arrival, Cause, Fault, Measurement, Observation, diagnose
from publications.decide.findings import list_strange
from publications.decide.spec import StrangeSlot
from publications.declare.declaration import Declaration
from publications.prove.pairs import derive_watched
from publications.settings import VERIFY_PERCENT
from publications.watch.backlog import Backlog
from publications.watch.causes import find_server_fault
from publications.watch.fed import sight_file, view_feed
from publications.watch.follower import Follower
from publications.watch.history import NO_PAST, Past
from publications.watch.hops import HopView, age_samples, view_hop
from publications.watch.link_settings import LinkSettings
from publications.watch.proofs import Losses, Mender, ProofFollower
from publications.watch.pushed import sight_pushed, view_push
from publications.watch.reading import SOURCE, SUBSCRIBER, WINDOW
from publications.watch.sight import Sight
from publications.watch.slots import WalSample
from publications.watch.tailnet import TailnetFollower, TailnetState

PATIENCE_S = 6.0
"""How long a first look waits for what neither answers nor fails: a slow link needs its round trips."""


DECIDED_S = 20.0
"""By then it shows whether a subscription works, fails or does not get through, as servers are set up."""
LOOK_AGAIN_S = 0.25


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
    tailnet: TailnetState | None = None
    """What the tailnet's service says here; None where there is none."""

    @property
    def hops(self) -> list[HopView]:
        """Each hop once: all subscribers share the intake."""
        return list({hop.slot_name: hop for one in self.subscribers.values() for hop in one.hops}.values())

    @property
    def backlog(self) -> Backlog | None:
        """What waits, as last counted."""
        return self.sights[self.window].backlog

    @property
    def undeclared_slots(self) -> list[tuple[str, StrangeSlot]]:
        """Endpoint and slot of each that keeps WAL for nobody of ours, where it can be seen."""
        ours = {hop.slot_name for hop in self.hops}
        return [
            (name, slot)
            for name, sight in self.sights.items()
            if sight.reading
            for slot in (
                *(one.as_strange for one in sight.reading.slots if one.name not in ours and not one.copies),
                *list_strange(sight.reading.strange_slots, at_source=name == self.source),
            )
        ]

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
        verify_percent: float = VERIFY_PERCENT,
        keeps_proofs: bool = False,
        mender: Mender | None = None,
        link: LinkSettings | None = None,
    ) -> None:
        """keeps_proofs: what is proven is written down for others who watch; mender: heals by itself."""
        self._tailnet = TailnetFollower(link) if link else None
        self._declaration = declaration
        intake = declaration.intake
        self._exports = {export.target: export for export in declaration.active_exports}
        subscribers = {
            name: Follower(name, dsns[name], SUBSCRIBER, interval_s=interval_s, unanswered_s=UNANSWERED_S)
            for name in self._exports
            if name in dsns
        }
        window = Follower(
            intake.target,
            dsns[intake.target],
            replace(WINDOW, is_fed=intake.is_fed, pushes=bool(declaration.pushes)),
            interval_s=interval_s,
            slots=[export.kept_by for export in self._exports.values()],
            subscribers=tuple(self._exports),
            disk=disk,
            unanswered_s=UNANSWERED_S,
        )
        self._followers = {intake.target: window, **subscribers}
        if not intake.is_fed:
            source = Follower(
                intake.source,
                dsns[intake.source],
                SOURCE,
                interval_s=interval_s,
                slots=(intake.slot,),
                disk=disk,
                unanswered_s=UNANSWERED_S,
            )
            self._followers = {intake.source: source, **self._followers}
        share = verify_percent / len(declaration.ways)
        self._proofs = {
            hop.target: ProofFollower(
                hop,
                intake.target,
                derive_watched(declaration, hop),
                dsns,
                core_percent=share,
                keeps=keeps_proofs,
                mender=mender,
            )
            for hop in declaration.ways
            if hop.target in dsns
        }

    def __enter__(self) -> Self:
        for follower in self._threads:
            follower.start()
        return self

    @property
    def _threads(self) -> list[Follower | ProofFollower | TailnetFollower]:
        tailnet = [self._tailnet] if self._tailnet else []
        return [*self._followers.values(), *self._proofs.values(), *tailnet]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for follower in self._threads:
            follower.stop()
        for follower in self._threads:
            follower.join(0.2)

    def look_first(self) -> View:
        """Wait until every database was tried once, or is late, and look; longer if that does not decide."""
        began = time.monotonic()
        for follower in self._threads:
            follower.wait_first(max(0.0, began + PATIENCE_S - time.monotonic()))
        first = {hop.slot_name: hop for hop in self.look().hops}
        while True:
            view = self.look()
            decided = all(hop.is_decided(first[hop.slot_name]) for hop in view.hops)
            if decided or time.monotonic() > began + DECIDED_S:
                return view
            time.sleep(LOOK_AGAIN_S)

    def look(self) -> View:
        """Bring together what is known now; waits for nothing."""
        sights = {name: follower.look() for name, follower in self._followers.items()}
        intake = self._declaration.intake
        window = sights[intake.target]
        unseen = {name: one for name, one in self._exports.items() if name not in sights}
        sights |= {name: sight_pushed(one, window) for name, one in unseen.items()}
        past = {name: window.past.get(name, NO_PAST) for name in self._exports}
        sgp = next(iter(past.values()), NO_PAST).sgp
        proven = self._proofs[intake.target].look()
        if intake.is_fed:
            sights = {intake.source: sight_file(intake, window), **sights}
            carried = view_feed(intake, window, proven)
        else:
            carried = view_hop(intake, sights, intake.target, age_samples(sgp, window.past_read_s), proven)
        view = View(sights, {}, intake.source, intake.target, self._tailnet.look() if self._tailnet else None)
        drifted = False in view.as_applied.values()
        subscribers = {
            name: self._view_subscriber(name, sights, carried, past[name], drifted=drifted)
            for name in self._exports
        }
        return replace(view, subscribers=subscribers)

    def _view_export(self, name: str, sights: Mapping[str, Sight], past: Sequence[WalSample]) -> HopView:
        export, window = self._exports[name], self._declaration.intake.target
        proven = self._proofs[name].look() if name in self._proofs else Losses()
        if export.is_pushed:
            is_seen = name in self._followers
            return view_push(export, sights[window], sights[name], past, proven, is_seen=is_seen)
        return view_hop(export, sights, window, past, proven)

    def _view_subscriber(
        self, name: str, sights: Mapping[str, Sight], intake: HopView, past: Past, *, drifted: bool
    ) -> SubscriberView:
        source, window, subscriber = sights[intake.source], sights[intake.target], sights[name]
        vitrine = age_samples(past.vitrine, window.past_read_s)
        export = self._view_export(name, sights, vitrine)
        seen = Observation(
            arrival=_arrival(subscriber, past),
            unread_s=subscriber.beat_unread_s if subscriber.beat else past.unread_s + window.past_read_s,
            faults=(
                *_find_server_faults(
                    None if intake.is_fed else source,
                    window,
                    subscriber if name in self._followers else None,
                ),
                *intake.faults,
                *export.faults,
            ),
            skew_s=_skew_s(window if intake.is_fed else source, subscriber),
            drifted=drifted or any(not hop.complete or hop.gaps_hidden for hop in (intake, export)),
            beat_lost=intake.beat_lost or export.beat_lost,
            changes_lost=bool(intake.gaps or export.gaps or intake.lost or export.lost),
            copying=any(map(_is_copying, (intake, export))),
            blind=intake.unproven
            or export.unproven
            or any(sight.blind for sight in (source, window, subscriber)),
            sees_intranet=True,
        )
        if not intake.is_fed:
            seen = _observe_heart(seen, source, window)
        return SubscriberView(name, seen, intake, export)


def _is_copying(hop: HopView) -> bool:
    if hop.push is not None:
        return hop.push.rows_to_copy is not None
    return bool(hop.subscription and hop.subscription.not_ready)


def _observe_heart(seen: Observation, source: Sight, window: Sight) -> Observation:
    """Add what SGP's own database shows of the worker's beats."""
    return replace(
        seen,
        sgp_answers=source.answers,
        beatless_s=_beatless_s(source),
        worker_connected=_has_worker(source),
        worker_elsewhere=window.answers and _has_worker(window),
        worker_waits_s=_worker_waits_s(source),
    )


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


def _find_server_faults(source: Sight | None, window: Sight, subscriber: Sight | None) -> list[Fault]:
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


def _skew_s(source: Sight, subscriber: Sight) -> float:
    if source.clock_offset_s is None or subscriber.clock_offset_s is None:
        return 0.0
    return source.clock_offset_s - subscriber.clock_offset_s


def look_once(
    declaration: Declaration,
    dsns: Mapping[str, SecretStr],
    *,
    disk: Path | None = None,
    link: LinkSettings | None = None,
) -> View:
    """Look at everything one time; one that does not answer is late after 6 s."""
    with Watch(declaration, dsns, disk=disk, link=link) as watch:
        return watch.look_first()
