"""The intake that the feeder carries: what the vitrine shows of it, as a hop like any other. Pure.

SGP's file can't be written, so no beat comes from there: the feeder's beat says that at its time all that SGP
had committed was read and landed. Where it does not come nobody knows whether SGP has changed.
"""

from __future__ import annotations

from db.freshness import ABSENT_S, BEATLESS_S, Cause, Fault, HopState
from publications.declare.declaration import Intake
from publications.watch.carriers import FeedState
from publications.watch.hops import HopView
from publications.watch.proofs import UNPROVEN_S, Losses
from publications.watch.sight import Sight
from publications.watch.slots import Forecast


def find_feed(window: Sight) -> FeedState | None:
    """Return what is known of the feeder now; nothing while the vitrine is away."""
    return window.reading.feed if window.answers and window.reading else None


def sight_file(intake: Intake, window: Sight) -> Sight:
    """Return SGP's file as far as the feeder tells: it answers while it is read."""
    feed = find_feed(window)
    if feed is None:
        return Sight(intake.source)
    return Sight(
        intake.source,
        answers=feed.sessions > 0 and feed.fault is None,
        failure=feed.fault or "",
        hint=feed.hint or "",
    )


def view_feed(intake: Intake, window: Sight, losses: Losses) -> HopView:
    """Return the feed as a hop that has neither slot nor subscription."""
    feed = find_feed(window)
    cause = _find_cause(window, feed) if feed else None
    state = HopState.UNKNOWN if feed is None else HopState.STOPPED if cause else HopState.RUNNING
    unreadable = window.answers and window.reading is not None and feed is None
    return HopView(
        source=intake.source,
        target=intake.target,
        state=state,
        slot_name="",
        subscription_name="",
        slot=None,
        slot_known=False,
        subscription=None,
        behind_s=_beat_age_s(window) if feed else None,
        forecast=Forecast(None, False, None, None),
        complete=not unreadable,
        beat_lost=False,
        gaps=window.gaps,
        gaps_hidden=(window.reading is not None and window.gaps is None) or losses.hidden,
        lost=losses.tables,
        checked_s=losses.checked_s,
        unproven=state is HopState.RUNNING and losses.unproven_s > UNPROVEN_S,
        faults=(Fault(cause, intake.target),) if cause else (),
        is_fed=True,
        feed=feed,
    )


def _find_cause(window: Sight, feed: FeedState) -> Cause | None:
    if feed.sessions == 0 and _is_beatless(window, ABSENT_S):
        return Cause.FEEDER_DEAD
    # A look that takes long puts off the beat after it.
    late = _is_beatless(window, BEATLESS_S + 2 * (feed.took_s or 0.0))
    return Cause.FEEDER_STOPPED if late or (feed.fault is not None and feed.sessions > 0) else None


def _is_beatless(window: Sight, longest_s: float) -> bool:
    age_s = _beat_age_s(window)
    return age_s is None or age_s > longest_s


def _beat_age_s(window: Sight) -> float | None:
    beat = window.beat
    if beat is None or beat.beat_at is None:
        return None
    return (beat.now - beat.beat_at).total_seconds() + window.beat_unread_s
