"""The watch over the whole road: what every database shows, brought together into one measurement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from db.freshness import UNANSWERED_S, Observation
from publications.declare.declaration import Declaration
from publications.prove.pairs import derive_watched
from publications.settings import VERIFY_PERCENT
from publications.watch.fed import sight_file, view_feed
from publications.watch.follower import Follower
from publications.watch.history import NO_PAST, Past
from publications.watch.hops import HopView, age_samples, view_hop
from publications.watch.link_settings import LinkSettings
from publications.watch.observe import (
    find_arrival,
    find_server_faults,
    find_skew_s,
    is_copying,
    observe_heart,
)
from publications.watch.proofs import Losses, Mender, ProofFollower
from publications.watch.pushed import sight_pushed, view_push
from publications.watch.reading import SOURCE, SUBSCRIBER, WINDOW
from publications.watch.sight import Sight
from publications.watch.slots import WalSample
from publications.watch.tailnet import TailnetFollower
from publications.watch.view import SubscriberView, View

PATIENCE_S = 6.0
"""How long a first look waits for what neither answers nor fails: a slow link needs its round trips."""
DECIDED_S = 20.0
"""By then it shows whether a subscription works, fails or does not get through, as servers are set up."""
LOOK_AGAIN_S = 0.25


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
            arrival=find_arrival(subscriber, past),
            unread_s=subscriber.beat_unread_s if subscriber.beat else past.unread_s + window.past_read_s,
            faults=(
                *find_server_faults(
                    None if intake.is_fed else source,
                    window,
                    subscriber if name in self._followers else None,
                ),
                *intake.faults,
                *export.faults,
            ),
            skew_s=find_skew_s(window if intake.is_fed else source, subscriber),
            drifted=drifted or any(not hop.complete or hop.gaps_hidden for hop in (intake, export)),
            beat_lost=intake.beat_lost or export.beat_lost,
            changes_lost=bool(intake.gaps or export.gaps or intake.lost or export.lost),
            copying=any(map(is_copying, (intake, export))),
            blind=intake.unproven
            or export.unproven
            or any(sight.blind for sight in (source, window, subscriber)),
            sees_intranet=True,
        )
        if not intake.is_fed:
            seen = observe_heart(seen, source, window)
        return SubscriberView(name, seen, intake, export)


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
