"""What goes wrong again and again is said at growing distance."""

from __future__ import annotations

import pytest

from db.outage import CALM_S, LONGEST_PAUSE_S, Outage

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail_each_second(outage: Outage, clock: Clock, seconds: int, *kinds: object) -> list[int]:
    """Return after how many seconds something was said."""
    said = []
    for second in range(seconds):
        if outage.fails(kinds[second % len(kinds)]):
            said.append(second)
        clock.now += 1
    return said


def test_it_is_said_at_once_and_then_after_1_2_4_minutes(clock: Clock) -> None:
    assert fail_each_second(Outage(clock), clock, 1000, "x") == [0, 60, 180, 420, 900]


def test_the_distance_has_an_end(clock: Clock) -> None:
    said = fail_each_second(Outage(clock), clock, 20000, "x")
    assert said[-1] - said[-2] == LONGEST_PAUSE_S


def test_another_kind_is_said_at_once_and_two_in_turns_say_no_more_than_each(clock: Clock) -> None:
    outage = Outage(clock)
    assert fail_each_second(outage, clock, 10, "x") == [0]
    assert fail_each_second(outage, clock, 200, "y", "x") == [0, 51, 60, 171, 180]


def test_its_end_is_said_with_how_long_it_lasted(clock: Clock) -> None:
    outage = Outage(clock)
    assert outage.works() is None
    fail_each_second(outage, clock, 30, "x")
    assert outage.failures == 30
    assert outage.works() == 30
    assert outage.works() is None
    assert outage.failures == 0


def test_what_comes_and_goes_is_one_outage_until_it_was_well_for_a_while(clock: Clock) -> None:
    outage = Outage(clock)
    said = []
    for _ in range(30):
        said.append(outage.fails("x"))
        clock.now += 1
        said.append(outage.works() is not None)
        clock.now += 1
    assert said[:2] == [True, True]
    assert not any(said[2:])
    clock.now += CALM_S
    assert outage.fails("x")
