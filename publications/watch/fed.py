"""The intake that the feeder carries: what the vitrine shows of it, as a hop like any other. Pure.

SGP's file can't be written, so no beat comes from there: the feeder's beat says that at its time all that SGP
had committed was read and landed. Where it does not come nobody knows whether SGP has changed.
"""

from __future__ import annotations

from dataclasses import replace

from db.freshness import ABSENT_S, BEATLESS_S, HopState, Observation
from publications.declare.declaration import Intake
from publications.watch.follower import Sight
from publications.watch.hops import HopView
from publications.watch.reading import FeedState
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


def view_feed(intake: Intake, window: Sight) -> HopView:
    """Return the feed as a hop that has neither slot nor subscription."""
    feed = find_feed(window)
    age_s = _beat_age_s(window)
    return HopView(
        source=intake.source,
        target=intake.target,
        state=_judge(window, feed),
        slot_name="",
        subscription_name="",
        slot=None,
        slot_known=False,
        subscription=None,
        behind_s=age_s if feed else None,
        forecast=Forecast(None, False, None, None),
        complete=True,
        beat_lost=False,
        gaps=window.gaps,
        gaps_hidden=window.reading is not None and window.gaps is None,
        feed=feed,
        is_fed=True,
    )


def observe_feed(seen: Observation, window: Sight, *, skew_s: float) -> Observation:
    """Add what the feeder shows of the road's beginning."""
    feed = find_feed(window)
    if feed is None:
        return replace(seen, intake=HopState.UNKNOWN, blind=seen.blind or window.answers)
    dead = _is_dead(window, feed)
    stopped = not dead and _is_stopped(window, feed)
    return replace(seen, feeder_dead=dead, feeder_stopped=stopped, skew_s=skew_s)


def _judge(window: Sight, feed: FeedState | None) -> HopState:
    if feed is None:
        return HopState.UNKNOWN
    return HopState.STOPPED if _is_dead(window, feed) or _is_stopped(window, feed) else HopState.RUNNING


def _is_dead(window: Sight, feed: FeedState) -> bool:
    return feed.sessions == 0 and _is_beatless(window, ABSENT_S)


def _is_stopped(window: Sight, feed: FeedState) -> bool:
    """A look that takes long puts off the beat after it."""
    return feed.fault is not None or _is_beatless(window, BEATLESS_S + 2 * (feed.took_s or 0.0))


def _is_beatless(window: Sight, longest_s: float) -> bool:
    age_s = _beat_age_s(window)
    return age_s is None or age_s > longest_s


def _beat_age_s(window: Sight) -> float | None:
    beat = window.beat
    if beat is None or beat.beat_at is None:
        return None
    return (beat.now - beat.beat_at).total_seconds() + window.beat_unread_s
