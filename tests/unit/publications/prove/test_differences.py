"""What only looks different while it is on its way is never called so; what is different always is."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable

import pytest

from publications.prove.differences import Difference, Kind, find_candidates, settle
from publications.prove.heal import choose
from publications.prove.ranges import Key, KeyRange
from publications.prove.sides import RowState
from publications.prove.verify import TableProof
from publications.watch.mending import SelfMender

pytestmark = pytest.mark.unit

Rows = dict[Key, RowState]
OLD, NEW = RowState(1, 1), RowState(2, 2)
AGAIN = RowState(1, 3)
"""It looks as the old one did."""


class Told:
    """An end that tells, question by question, what it was given."""

    def __init__(self, *answers: Rows) -> None:
        self._answers = list(answers)

    def read(self, within: KeyRange) -> Rows:  # noqa: ARG002
        return self._answers.pop(0)

    def read_keys(self, keys: Collection[Key]) -> Rows:
        return {key: row for key, row in self._answers.pop(0).items() if key in keys}

    def find_keys(self, keys: Collection[Key]) -> set[Key]:  # noqa: ARG002
        return set()


class Open:
    """A fence that all has passed, so many times."""

    def __init__(self, times: int = 9) -> None:
        self._times = times

    def wait(self, timeout_s: float) -> bool:  # noqa: ARG002
        self._times -= 1
        return self._times >= 0


def find(source: Iterable[Rows], target: Iterable[Rows], *, fences: int = 9) -> list[tuple[Key, str, bool]]:
    here, there = Told(*source), Told(*target)
    candidates = find_candidates(here, there, KeyRange())
    found = settle(here, there, candidates, Open(fences), timeout_s=9.0, versioned=True)
    return [(one.key, one.kind.value, one.settled) for one in found]


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ([{1: NEW}] * 2, [{}] * 2, "missing"),
        ([{1: NEW}] * 2, [{1: OLD}] * 2, "changed"),
        ([{1: OLD}] * 2, [{1: NEW}] * 2, "newer"),
        ([{}] * 2, [{1: OLD}] * 2, "extra"),
    ],
)
def test_what_stays_different_behind_a_fence_is(source: list[Rows], target: list[Rows], kind: str) -> None:
    assert find(source, target) == [(1, kind, True)]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ([{1: NEW}] * 2, [{1: OLD}, {1: NEW}]),  # an update was on its way
        ([{1: OLD}, {1: AGAIN}, {1: AGAIN}], [{}, {1: NEW}, {1: AGAIN}]),  # there and back again meanwhile
        ([{}, {}, {}], [{1: OLD}, {1: NEW}, {}]),  # it came once more and went again
        ([{}, {}], [{1: OLD}, {}]),  # a delete was on its way
    ],
)
def test_what_was_on_its_way_is_no_difference(source: list[Rows], target: list[Rows]) -> None:
    assert find(source, target) == []


def test_where_nothing_is_confirmed_nothing_is_called_different() -> None:
    assert find([{1: NEW}], [{}], fences=0) == [(1, "missing", False)]


@pytest.mark.parametrize(
    ("was", "here", "there", "done"),
    [
        (NEW, NEW, None, "write"),
        (NEW, NEW, OLD, "write"),
        (None, None, OLD, "remove"),
        (NEW, AGAIN, None, "passed"),  # it has changed since: what was proven is not so any more
        (NEW, None, OLD, "passed"),  # it went since
        (None, NEW, OLD, "passed"),  # it came since
        (NEW, NEW, NEW, "passed"),  # it arrived
        (None, None, None, "passed"),
    ],
)
def test_a_row_is_touched_only_as_it_was_proven(
    was: RowState | None, here: RowState | None, there: RowState | None, done: str
) -> None:
    one = Difference(1, Kind.CHANGED, was=was)
    choice = choose([one], {1: here} if here else {}, {1: there} if there else {})
    taken = {name: list(keys) for name, keys in dataclasses.asdict(choice).items()}
    assert taken == {"write": [], "remove": [], "passed": []} | {done: [1]}


@pytest.mark.parametrize(
    ("rows", "counts", "allowed"),
    [
        (99, {"extra": 1}, True),
        (98, {"extra": 1}, False),
        (980, {"extra": 5, "left_filter": 5}, False),
        (0, {"missing": 500, "changed": 500}, True),
        (0, {"extra": 1}, False),
    ],
)
def test_too_many_removals_are_left_to_people(rows: int, counts: dict[str, int], allowed: bool) -> None:
    proof = TableProof("a->b", "t", rows=rows, counts=Counter(counts))
    assert SelfMender({}, removed_percent=1.0).allows(proof) is allowed
