"""The export that `ponte push` carries: what the vitrine knows of it, as a hop like any other. Pure.

Each answer of the VPS's ingest proves what arrived, so the vitrine knows the newest beat there also where
nobody here may ask the VPS's database.
"""

from __future__ import annotations

from collections.abc import Sequence

from db.freshness import ABSENT_S, Cause, Fault, HopState
from publications.declare.declaration import Export
from publications.watch.beat import Beat
from publications.watch.carriers import PushState
from publications.watch.causes import explain_loss
from publications.watch.hops import HopView, join_samples, measure_behind_s
from publications.watch.proofs import UNPROVEN_S, Losses
from publications.watch.sight import Sight
from publications.watch.slots import WalSample, forecast

CAUSES = {
    "push_unreachable": Cause.PUSH_UNREACHABLE,
    "push_refused": Cause.PUSH_REFUSED,
    "push_rejected": Cause.PUSH_REJECTED,
    "push_changed": Cause.PUSH_STOPPED,
    "push_stopped": Cause.PUSH_STOPPED,
}
"""By the push's own word."""


def find_push(export: Export, window: Sight) -> PushState | None:
    """Return what is known of the push now; nothing while the vitrine is away."""
    return window.reading.pushes.get(export.target) if window.answers and window.reading else None


def sight_pushed(export: Export, window: Sight) -> Sight:
    """Return the subscriber as far as the push tells: it answers while what is sent is taken."""
    push = window.reading.pushes.get(export.target) if window.reading else None
    if push is None:
        return Sight(export.target)
    beat = Beat(push.beat, push.beat_at, push.beat_arrived_at, push.now) if push.beat is not None else None
    return Sight(
        export.target,
        answers=window.answers and push.fault_kind is None and push.sessions > 0,
        beat=beat,
        beat_missing=beat is None,
        beat_unread_s=window.unread_s,
        failure=push.fault or "",
        hint=push.hint or "",
    )


def view_push(
    export: Export,
    source: Sight,
    target: Sight,
    past: Sequence[WalSample],
    losses: Losses,
    *,
    is_seen: bool,
) -> HopView:
    """Return the push as a hop that has a slot and no subscription. is_seen: its target is asked, too."""
    push = find_push(export, source)
    slot = source.reading.slot(export.kept_by) if source.reading else None
    free = source.reading.disk_free_bytes if source.reading else None
    fault = _find_fault(export, source, push)
    state = _find_state(push, fault)
    return HopView(
        source=export.source,
        target=export.target,
        state=state,
        slot_name=export.kept_by,
        subscription_name="",
        slot=slot,
        slot_known=source.answers and source.reading is not None,
        subscription=None,
        behind_s=measure_behind_s(source.beat, source.beat_unread_s, target.beat, target.beat_unread_s)
        if source.answers
        else None,
        forecast=forecast(
            join_samples(past, source.samples.get(export.kept_by, ())), slot, disk_free_bytes=free
        ),
        complete=push is not None or not source.answers,
        beat_lost=False,
        gaps=target.gaps,
        gaps_hidden=is_seen and target.reading is not None and target.gaps is None,
        lost=losses.tables,
        checked_s=losses.checked_s,
        unproven=is_seen and state is HopState.RUNNING and losses.unproven_s > UNPROVEN_S,
        faults=(fault,) if fault else (),
        is_pushed=True,
        push=push,
    )


def _find_state(push: PushState | None, fault: Fault | None) -> HopState:
    if fault is None:
        return HopState.RUNNING if push else HopState.UNKNOWN
    states = {Cause.SLOT_LOST: HopState.LOST, Cause.PUSH_UNREACHABLE: HopState.CUT}
    return states.get(fault.cause, HopState.STOPPED)


def _find_fault(export: Export, source: Sight, push: PushState | None) -> Fault | None:
    if not source.answers or source.reading is None:
        return None
    slot = source.reading.slot(export.kept_by)
    if slot is None or slot.lost:
        return explain_loss(export.source, export.kept_by, slot)
    if push is None:
        return None
    if push.sessions == 0 and (push.quiet_s is None or push.quiet_s > ABSENT_S):
        return Fault(Cause.PUSH_DEAD, export.source)
    if push.fault_kind is not None:
        cause = CAUSES.get(push.fault_kind, Cause.PUSH_STOPPED)
        return Fault(cause, export.target, {"said": push.fault or ""})
    return None
