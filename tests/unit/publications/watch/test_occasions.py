"""What is asked now and then: due, resting, settled."""

from __future__ import annotations

from publications.watch.occasions import Occasion, Turn


def test_a_question_is_due_at_first_and_rests_once_it_was_asked() -> None:
    occasion = Occasion(10.0)
    assert occasion.turn(0.0) is Turn.DUE
    assert occasion.begin(0.0)
    assert occasion.turn(9.9) is Turn.RESTING
    assert not occasion.begin(9.9)
    assert occasion.turn(10.0) is Turn.DUE


def test_one_that_was_not_due_rests_no_longer_for_it() -> None:
    occasion = Occasion(10.0)
    assert occasion.begin(0.0)
    assert not occasion.begin(9.0)
    assert occasion.begin(10.0)


def test_a_rest_of_its_own_is_for_that_time_alone() -> None:
    occasion = Occasion(2.0)
    assert occasion.begin(0.0, rest_s=30.0)
    assert not occasion.begin(29.0)
    assert occasion.begin(30.0)
    assert occasion.begin(32.0)


def test_one_that_is_woken_is_due_at_once() -> None:
    occasion = Occasion(10.0)
    assert occasion.begin(0.0)
    occasion.wake()
    assert occasion.begin(0.1)


def test_one_that_is_settled_is_never_asked_again() -> None:
    occasion = Occasion(10.0)
    occasion.settle()
    assert occasion.turn(1e9) is Turn.SETTLED
    assert not occasion.begin(1e9)
