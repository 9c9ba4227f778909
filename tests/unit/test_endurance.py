"""What goes on for as long as its service does survives what nobody foresaw: nobody would start it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from db.waiting import wait_until
from publications.declare.declaration import STARTING_PATH, read_declaration
from publications.panel import recorder
from publications.panel.poller import Poller
from publications.panel.recorder import Recorder
from publications.watch import follower, proofs
from publications.watch.follower import Follower
from publications.watch.proofs import ProofFollower
from publications.watch.reading import SUBSCRIBER
from vps_readapi.auth import remote, telling
from vps_readapi.auth.remote import RemoteChecker
from vps_readapi.auth.telling import LoginTerms
from vps_readapi.losses import Losses
from vps_readapi.memory.feed import Feed

pytestmark = pytest.mark.unit

DSN = SecretStr("host=127.0.0.1 port=1")
LONGEST_S = 60


class Trip:
    """Fails at first with what nobody foresaw."""

    def __init__(self) -> None:
        self.calls = 0

    def step(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("the handler is closed")

    def block(self, *_: object, **__: object) -> None:
        self.step()

    async def wait(self, *_: object, **__: object) -> None:
        self.step()


def run_feed(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Awaitable[None]:
    feed = Feed(
        "", apply=lambda _: None, replace_people=lambda _: None, flush=lambda: None, name=lambda _: None
    )
    monkeypatch.setattr(feed, "_serve_connection", trip.wait)
    return feed.run()


def run_telling(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Awaitable[None]:
    monkeypatch.setattr(telling, "AGAIN_S", 0.0)
    database = SimpleNamespace(fetch=trip.wait, fetch_first=trip.wait)
    terms = LoginTerms(bound_s=1.0, marks=())
    return telling.keep_told(cast("Any", database), terms, Losses("logins", "", source="PONTE_API_AUTH_DSN"))


def run_checker(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Awaitable[None]:
    monkeypatch.setattr(remote, "RESTART_PAUSE_S", 0.0)
    checker = RemoteChecker(cast("Any", None))
    monkeypatch.setattr(checker, "_run", trip.wait)
    return checker.keep_running()


@pytest.mark.parametrize("begin", [run_feed, run_telling, run_checker])
def test_a_task_goes_on_and_says_that_it_tripped(
    begin: Callable[[Trip, pytest.MonkeyPatch], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trip = Trip()

    async def go_on() -> None:
        going = asyncio.ensure_future(begin(trip, monkeypatch))
        async with asyncio.timeout(LONGEST_S):
            while trip.calls < 3:  # noqa: ASYNC110 - whatever it is that goes on
                await asyncio.sleep(0.01)
        going.cancel()

    asyncio.run(go_on())
    assert _errors(caplog.records) == ["unforeseen"]


Going = tuple[Callable[[], None], Callable[[], None]]
"""What begins a thread, and what ends it and waits for that."""


def going(one: Follower | ProofFollower) -> Going:
    def end() -> None:
        one.stop()
        one.join(LONGEST_S)

    return one.start, end


def make_follower(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Going:
    monkeypatch.setattr(follower, "RETRY_S", 0.0)
    monkeypatch.setattr(follower, "open_link", trip.block)
    monkeypatch.setattr(Follower, "_read_sane", trip.block)
    monkeypatch.setattr(Follower, "_take", lambda *_: None)
    return going(Follower("vps", DSN, SUBSCRIBER, interval_s=0.0, unanswered_s=LONGEST_S))


def make_proofs(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Going:
    monkeypatch.setattr(proofs, "PAUSE_S", 0.0)
    monkeypatch.setattr(proofs, "open_link", trip.block)
    hop = read_declaration(STARTING_PATH).intake
    return going(ProofFollower(hop, "vitrine", (), {"sgp": DSN, "vitrine": DSN}, core_percent=100))


def make_poller(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Going:
    monkeypatch.setattr(Poller, "_keep", lambda *_: None)
    for what in ("start", "stop"):
        monkeypatch.setattr(Recorder, what, lambda _: None)
    watch = SimpleNamespace(look_first=lambda: None, look=trip.block)
    poller = Poller(cast("Any", watch), DSN, interval_s=0.0)
    return poller.start, poller.stop


def make_recorder(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> Going:
    monkeypatch.setattr(recorder, "LOOK_S", 0.0)
    monkeypatch.setattr(Recorder, "_keep", trip.block)
    view = SimpleNamespace(window="vitrine", sights={"vitrine": SimpleNamespace(answers=True)})
    one = Recorder(lambda: cast("Any", SimpleNamespace(view=view)), DSN, record_s=0.0)
    return one.start, one.stop


@pytest.mark.parametrize("make", [make_follower, make_proofs, make_poller, make_recorder])
def test_a_thread_goes_on_and_says_that_it_tripped(
    make: Callable[[Trip, pytest.MonkeyPatch], Going],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trip = Trip()
    start, end = make(trip, monkeypatch)
    start()
    try:
        assert wait_until(lambda: trip.calls >= 3, LONGEST_S)
    finally:
        end()
    assert _errors(caplog.records)[0] == "unforeseen"


def _errors(records: Sequence[logging.LogRecord]) -> list[str]:
    return [one.message for one in records if one.levelno == logging.ERROR]
