"""All that one look at the whole road gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from db.freshness import Measurement, Observation, diagnose
from publications.decide.findings import list_strange
from publications.decide.spec import StrangeSlot
from publications.watch.backlog import Backlog
from publications.watch.hops import HopView
from publications.watch.sight import Sight
from publications.watch.tailnet import TailnetState


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
