"""However rows lie and differ, splitting finds every difference and no other, with little reading."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publications.prove.ranges import FAN, LEAF_ROWS, Digest, Key, KeyRange, find_leaves

pytestmark = pytest.mark.unit

Rows = dict[int, int]


class Mapped:
    """An end that is a mapping; it counts what is asked of it."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.asked = 0

    def read(self, within: KeyRange) -> Rows:
        return {key: row for key, row in sorted(self.rows.items()) if _holds(within, key)}

    def cut(self, within: KeyRange, rows: int) -> list[Key]:
        self.asked += 1
        return [key for place, key in enumerate(self.read(within)) if place and place % rows == 0]

    def digest(self, parts: Sequence[KeyRange]) -> list[Digest]:
        self.asked += 1
        return [_digest(self.read(part)) for part in parts]


def _holds(within: KeyRange, key: int) -> bool:
    low, high = within.low, within.high
    return (low is None or key >= low) and (high is None or key < high)  # type: ignore[operator]


def _digest(rows: Rows) -> Digest:
    mix = 0
    for item in rows.items():
        mix ^= hash(("row", *item))
    return Digest(len(rows), mix)


keys = st.integers(-5_000, 5_000)
tables = st.dictionaries(keys, st.integers(0, 3), max_size=400)


def spread(rows: Rows, factor: int, copies: int) -> Rows:
    """Make a larger table of it: blocks of rows, with holes."""
    return {key * factor + copy: row for key, row in rows.items() for copy in range(copies)}


@settings(max_examples=60, deadline=None)
@given(tables, tables, st.integers(1, 20), st.integers(1, 20))
def test_each_row_that_differs_lies_in_exactly_one_leaf(
    one: Rows, other: Rows, factor: int, copies: int
) -> None:
    source, target = Mapped(spread(one, factor, copies)), Mapped(spread(other, factor, copies))
    leaves = list(find_leaves(source, target, KeyRange()))
    differing = {
        key for key in source.rows.keys() | target.rows.keys() if source.rows.get(key) != target.rows.get(key)
    }
    found = [key for leaf in leaves for key in {**source.read(leaf), **target.read(leaf)} if key in differing]
    assert sorted(found) == sorted(differing)
    for leaf in leaves:
        assert source.read(leaf) != target.read(leaf)
        assert max(len(source.read(leaf)), len(target.read(leaf))) <= LEAF_ROWS


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20_000), st.sets(st.integers(0, 20_000), max_size=8))
def test_few_differences_cost_few_questions(rows: int, changed: set[int]) -> None:
    source = Mapped(dict.fromkeys(range(rows), 0))
    target = Mapped({key: int(key in changed) for key in source.rows})
    leaves = list(find_leaves(source, target, KeyRange()))
    depth = 1
    while FAN**depth * LEAF_ROWS < rows:
        depth += 1
    met = len([key for key in changed if key < rows])
    assert len(leaves) <= met
    assert source.asked + target.asked <= 2 + 3 * met * (depth + 1)


@given(st.lists(keys, max_size=30, unique=True), st.none() | keys, st.none() | keys)
def test_parts_follow_one_another_and_are_the_whole(
    cuts: list[int], low: int | None, high: int | None
) -> None:
    whole = KeyRange(low, high)
    parts = whole.split(sorted(cuts))
    assert (parts[0].low, parts[-1].high) == (low, high)
    assert all(one.high == next_.low for one, next_ in itertools.pairwise(parts))
    for key in cuts:
        assert sum(_holds(part, key) for part in parts) == _holds(whole, key)
