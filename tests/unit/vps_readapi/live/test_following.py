"""What followers of the machines' logs are told, window by window."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, cast

import pytest

from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.live.access import LivePolicy
from vps_readapi.live.asking import Asking, LiveAnswer, Source
from vps_readapi.live.following import WINDOW, LogFollower, LogsFeed
from vps_readapi.live.settings import LiveSettings
from vps_readapi.memory.people import People
from vps_readapi.pedidos.visibility import VisibilityPolicy

pytestmark = pytest.mark.unit


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> LogsFeed:
    async def never(_: LogsFeed) -> None:
        """Look for nothing: windows come from the test."""

    monkeypatch.setattr(LogsFeed, "_look_on", never)
    return make_feed(None, poll_s=1)


def make_feed(asking: object, *, poll_s: float) -> LogsFeed:
    return LogsFeed(
        cast("Asking", asking),
        People(VisibilityPolicy.of()),
        policy=LivePolicy.of(LiveSettings()),
        poll_s=poll_s,
        max_streams=3,
        max_of_user=3,
    )


def on_loop(test: Callable[[LogsFeed], Coroutine[None, None, None]]) -> Callable[[LogsFeed], None]:
    """Run a test where tasks can be made."""

    @wraps(test)
    def run(feed: LogsFeed) -> None:
        asyncio.run(test(feed))

    return run


def show(feed: LogsFeed, *ids: int) -> None:
    """Let SGP answer with these logs."""
    logs = [{"id": one, "printer_id": one % 2} for one in ids]
    feed._take(LiveAnswer(json.dumps(logs).encode(), Source.LIVE))


def join(feed: LogsFeed, *, since: int | None = None, printer_id: int | None = None) -> LogFollower:
    token = Verified(Claims(1, "ana"), 2**40, 0, 0, b"")
    return feed.join(token, printer_id=printer_id, since=since)


def told(follower: LogFollower) -> list[Any]:
    """Return what waits, and take it: ids of logs, or an event's name."""
    found: list[Any] = []
    for _, frame in follower.stream.queue:
        fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if line)
        if fields["event"] == "impressoes":
            found.append([one["id"] for one in json.loads(fields["data"])["registros"]])
        elif fields["event"] != "pulso":
            found.append(fields["event"])
    follower.stream.queue.clear()
    return found


@on_loop
async def test_who_begins_now_is_told_what_comes_from_now_on(feed: LogsFeed) -> None:
    follower = join(feed)
    show(feed, 5, 4)
    assert told(follower) == []
    show(feed, 7, 6, 5, 4)
    assert told(follower) == [[6, 7]]
    assert follower.since == 7
    late = join(feed)
    show(feed, 8, 7, 6, 5, 4)
    assert (told(follower), told(late)) == ([[8]], [[8]])


@on_loop
async def test_who_comes_back_is_told_what_he_missed(feed: LogsFeed) -> None:
    first = join(feed, since=4)
    show(feed, 6, 5, 4, 3)
    assert told(first) == [[5, 6]]
    assert told(join(feed, since=5)) == [[6]]
    assert told(join(feed, since=99)) == []


@on_loop
async def test_one_that_was_committed_late_is_told_and_one_that_slid_back_is_not(feed: LogsFeed) -> None:
    follower = join(feed)
    show(feed, 10, 8, 7)
    show(feed, 10, 9, 8, 7)
    assert told(follower) == [[9]]
    show(feed, 9, 8, 7, 6)  # 10 was deleted
    assert told(follower) == []
    assert follower.since == 10


@on_loop
async def test_who_missed_more_than_a_window_reads_anew(feed: LogsFeed) -> None:
    behind = join(feed, since=1)
    show(feed, *range(500, 500 - WINDOW, -1))
    assert told(behind) == ["recomece"]
    show(feed, *range(700, 700 - WINDOW, -1))
    assert told(behind) == ["recomece"]
    show(feed, *range(701, 701 - WINDOW, -1))
    assert told(behind) == [[701]]


@on_loop
async def test_the_first_log_of_all_is_told(feed: LogsFeed) -> None:
    follower = join(feed)
    show(feed)
    show(feed, 1)
    assert told(follower) == [[1]]


@on_loop
async def test_one_printers_logs_are_told_alone(feed: LogsFeed) -> None:
    follower = join(feed, printer_id=1)
    show(feed, 2)
    show(feed, 5, 4, 3, 2)
    show(feed, 6, 5, 4, 3, 2)
    assert told(follower) == [[3, 5]]
    assert follower.since == 6


class Tripping:
    """An asking that trips over something at one of its questions."""

    def __init__(self, at: int) -> None:
        self._left = at

    async def ask(self, *_: object) -> LiveAnswer:
        self._left -= 1
        if self._left == 0:
            raise AttributeError
        return LiveAnswer(b"[]", Source.LIVE)


def test_who_looks_goes_on_after_what_nobody_foresaw_and_meanwhile_sgp_is_not_said_to_answer() -> None:
    async def listen() -> list[Any]:
        feed = make_feed(Tripping(at=2), poll_s=0)
        follower = join(feed)
        pulses: list[Any] = []
        while len(pulses) < 3:
            await asyncio.wait_for(follower.stream.woken.wait(), 60)
            follower.stream.woken.clear()
            pulses += [frame for _, frame in follower.stream.queue]
            follower.stream.queue.clear()
        feed.leave(follower)
        return [json.loads(one.decode().split("data: ")[1])["sync_source"] for one in pulses[:3]]

    assert asyncio.run(listen()) == ["live", "cached", "live"]
