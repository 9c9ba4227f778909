"""How much one caller may ask: a bucket that empties, fills again, and is the caller's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vps_readapi import limits
from vps_readapi.errors import ProblemError
from vps_readapi.limits import MAX_CALLERS, Limits


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=watch.monotonic))
    return watch


def take(buckets: Limits, caller: str, times: int) -> list[float]:
    return [buckets.take(caller) for _ in range(times)]


def test_as_many_as_the_bucket_holds_pass_and_not_one_more(clock: Watch) -> None:
    assert take(Limits(per_second=2, burst=3), "ana", 5) == [0, 0, 0, 0.5, 0.5]


def test_who_waited_as_long_as_was_said_may_ask_again_once(clock: Watch) -> None:
    buckets = Limits(per_second=0.5, burst=1)
    assert take(buckets, "ana", 2) == [0, 2.0]
    clock.now_s += 1.5
    assert buckets.take("ana") == 0.5
    clock.now_s += 0.5
    assert take(buckets, "ana", 2) == [0, 2.0]


def test_what_an_answer_has_cost_is_waited_for_and_never_for_long(clock: Watch) -> None:
    buckets = Limits(per_second=2, burst=3)
    buckets.charge(7, 100)
    assert take(buckets, "7", 3) == [0, 0, 0.5]
    buckets.charge(7, 10**9)
    assert buckets.take("7") == 10.5
    assert buckets.take("8") == 0
    clock.now_s += 10.5
    assert buckets.take("7") == 0


def test_a_bucket_never_holds_more_than_its_burst(clock: Watch) -> None:
    buckets = Limits(per_second=10, burst=2)
    buckets.take("ana")
    clock.now_s += 3600
    assert take(buckets, "ana", 3) == [0, 0, pytest.approx(0.1)]


def test_each_caller_has_a_bucket_of_his_own(clock: Watch) -> None:
    buckets = Limits(per_second=1, burst=1)
    assert [buckets.take(one) for one in ("ana", "bia", "ana", "bia")] == [0, 0, 1, 1]


def test_beyond_so_many_callers_the_one_that_asked_longest_ago_is_forgotten(clock: Watch) -> None:
    buckets = Limits(per_second=0.001, burst=1)
    names = [str(one) for one in range(MAX_CALLERS)]
    for one in names:
        buckets.take(one)
    assert buckets.take(names[0]) > 0, "there was room for all"
    buckets.take("another")
    assert len(buckets._buckets) == MAX_CALLERS
    assert buckets.take("another") > 0, "the newest has no limit"
    assert buckets.take(names[0]) > 0, "one that asked just now has no limit"
    assert buckets.take(names[2]) > 0
    assert buckets.take(names[1]) == 0, "the one that asked longest ago was kept"


def test_a_request_is_counted_once_however_often_it_is_met(clock: Watch) -> None:
    buckets = Limits(per_second=0.4, burst=1)
    state: dict[str, Any] = {}
    for _ in range(3):
        buckets.count(state, 7)
    with pytest.raises(ProblemError) as refused:
        buckets.count({}, 7)
    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "3"}
    assert refused.value.detail.startswith("Muitas requisições")
    buckets.count({}, 8)
