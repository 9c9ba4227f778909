"""One hop: what its two ends show, brought together and judged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from db.freshness import FRESH_S, Cause, Fault, HopState
from publications.declare.declaration import Export, Intake
from publications.watch.beat import Beat
from publications.watch.carriers import FeedState, PushState
from publications.watch.causes import HopEnds, judge_hop, waits
from publications.watch.proofs import UNPROVEN_S, Losses, LostRows
from publications.watch.sight import Sight
from publications.watch.slots import WINDOW_S, Forecast, SlotState, WalSample, forecast
from publications.watch.subscription import SubscriptionState

LASTING_S = 3.0
"""What is applied for so long without an error is not between two of them."""
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
    gaps: int | None
    """How many times changes were lost on it; None where that can't be seen."""
    gaps_hidden: bool
    """Its target was read, and not they: `ponte migrate` or `ponte apply` was not there yet."""
    lost: Mapping[str, LostRows] = field(default_factory=dict)
    """By table, rows of its target's that are not what was sent, or not what the projection makes of them."""
    checked_s: float | None = None
    """Each row at its target was compared within so many seconds; None if not yet."""
    unproven: bool = False
    """It runs, and what arrived could not be compared for a while."""
    is_fed: bool = False
    """The feeder carries it: it has no slot and no subscription, and never will."""
    feed: FeedState | None = None
    """Then what is known of the feeder."""
    is_pushed: bool = False
    """`ponte push` carries it: it has a slot, and no subscription."""
    push: PushState | None = None
    """Then what is known of it."""
    faults: tuple[Fault, ...] = ()
    """What stands in its way."""

    waiting_at: int | None = None
    """It runs, and this beat is the target's newest while the source has another."""

    @property
    def undecided(self) -> bool:
        """Tell whether only a longer look shows what stands in its way."""
        return any(fault.cause is Cause.UNKNOWN for fault in self.faults)

    def is_decided(self, first: HopView) -> bool:
        """Tell whether it is known what it does: what waited at the first look must have moved on."""
        if self.undecided or (self.waiting_at is not None and self.waiting_at == first.waiting_at):
            return False
        return self.state is not HopState.RUNNING or not self._may_fail_again()

    def _may_fail_again(self) -> bool:
        """One that failed before and has just begun may be about to: between two failures all looks well."""
        failed = self.subscription is not None and self.subscription.apply_errors > 0
        lasts = self.slot is not None and self.slot.active and (self.slot.reader_age_s or 0.0) > LASTING_S
        return failed and not lasts


def view_hop(
    hop: Intake | Export,
    sights: Mapping[str, Sight],
    window: str,
    past: Sequence[WalSample],
    losses: Losses | None = None,
) -> HopView:
    """Bring together what its two ends show. past: what the history knows of its source's WAL.

    losses: None where it is not compared.
    """
    compared = losses or Losses()
    source, target = sights[hop.source], sights[hop.target]
    slot = source.reading.slot(hop.slot) if source.reading else None
    subscription = target.reading.subscription(hop.subscription) if target.reading else None
    free = source.reading.disk_free_bytes if source.reading else None
    ends = HopEnds(
        hop.source,
        hop.target,
        hop.slot,
        source.reading if source.answers else None,
        target.reading if target.answers else None,
        subscription if target.answers else None,
        slot_replaced=_is_replaced(hop.slot, source, sights[window]),
        fails_again=hop.subscription in target.failing,
        unserved_s=target.unserved_s.get(hop.subscription, 0.0),
        last_error=target.last_error,
    )
    state, faults = judge_hop(ends, cut=Cause.INTAKE_CUT if isinstance(hop, Intake) else Cause.EXPORT_CUT)
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
        forecast=forecast(join_samples(past, source.samples.get(hop.slot, ())), slot, disk_free_bytes=free),
        complete=_is_complete(hop, subscription),
        beat_lost=_is_beat_lost(state, slot, source, target),
        gaps=target.gaps,
        gaps_hidden=(target.reading is not None and target.gaps is None) or compared.hidden,
        lost=compared.tables,
        checked_s=compared.checked_s,
        unproven=state is HopState.RUNNING and compared.unproven_s > UNPROVEN_S,
        faults=faults,
        waiting_at=_find_waiting(source.beat, target.beat) if state is HopState.RUNNING else None,
    )


def _find_waiting(source: Beat | None, target: Beat | None) -> int | None:
    return (target.beat if target else 0) if waits(source, target) else None


def measure_behind_s(
    source: Beat | None, source_unread_s: float, target: Beat | None, target_unread_s: float
) -> float | None:
    """Return how many seconds the target is behind the source, each by its own clock; None if not known.

    Each was read some time ago: in an outage the target's beat grows older.
    """
    ages = (_age_s(source, source_unread_s), _age_s(target, target_unread_s))
    if ages[0] is None or ages[1] is None:
        return None
    return max(0.0, ages[1] - ages[0])


def _age_s(beat: Beat | None, unread_s: float) -> float | None:
    if beat is None or beat.beat_at is None:
        return None
    return (beat.now - beat.beat_at).total_seconds() + unread_s


def _measure_behind_s(source: Sight, target: Sight) -> float | None:
    if not source.answers:
        return None
    return measure_behind_s(source.beat, source.beat_unread_s, target.beat, target.beat_unread_s)


def age_samples(past: Sequence[WalSample], passed_s: float) -> list[WalSample]:
    """Return what was read so long ago by the present clock, without what is too old to be a rate."""
    aged = [replace(one, at_s=one.at_s - passed_s) for one in past]
    return [one for one in aged if one.at_s > -WINDOW_S]


def join_samples(past: Sequence[WalSample], present: Sequence[WalSample]) -> list[WalSample]:
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
