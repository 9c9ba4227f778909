"""Where two ends differ, found by digests of ranges of keys that are split until few rows are left. Pure.

The ends are given as `Side`s: databases in earnest, mappings in the tests. What is found is a candidate: rows
may have been on their way when the two ends were asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Key = int | bytes
"""Ordered by the server as Python orders them."""

FAN = 16
"""Into so many parts a range that differs is split."""
LEAF_ROWS = 64
"""So few rows are read one by one."""


@dataclass(frozen=True)
class KeyRange:
    """Keys from `low` on, to before `high`; None is open."""

    low: Key | None = None
    high: Key | None = None

    def split(self, cuts: Sequence[Key]) -> list[KeyRange]:
        """Return the parts that begin here and at each cut: none overlaps, and together they are this one."""
        inner = [cut for cut in cuts if self._holds_inside(cut)]
        edges = [self.low, *inner, self.high]
        return [KeyRange(low, high) for low, high in itertools.pairwise(edges)]

    def _holds_inside(self, cut: Key) -> bool:
        return (self.low is None or _less(self.low, cut)) and (self.high is None or _less(cut, self.high))


@dataclass(frozen=True)
class Digest:
    """The rows of a range, told in two numbers."""

    rows: int
    mix: int


NOTHING = Digest(0, 0)


class Side(Protocol):
    """One end of a table, as of the moment at which each question is asked."""

    def cut(self, within: KeyRange, rows: int) -> list[Key]:
        """Return each key of the range that begins another so many rows, but the first, ascending."""

    def digest(self, parts: Sequence[KeyRange]) -> list[Digest]:
        """Return the digest of each of these ranges, of which each begins where the one before ends."""


def find_leaves(source: Side, target: Side, within: KeyRange) -> Iterator[KeyRange]:
    """Yield ranges of few rows in which the ends differ, in the order of keys."""
    here, there = source.digest([within]), target.digest([within])
    if here != there:
        yield from narrow(source, target, within, rows=(here[0].rows, there[0].rows))


def narrow(source: Side, target: Side, within: KeyRange, *, rows: tuple[int, int]) -> Iterator[KeyRange]:
    """Yield the same of a range that is known to differ. rows: how many each end has there."""
    most = max(rows)
    if most <= LEAF_ROWS:
        yield within
        return
    # Where one end has lost nearly all, only the other knows where the keys are.
    finer = source if rows[0] >= rows[1] else target
    parts = within.split(finer.cut(within, max(LEAF_ROWS, -(-most // FAN))))
    if len(parts) == 1:  # gone meanwhile
        yield within
        return
    for part, here, there in zip(parts, source.digest(parts), target.digest(parts), strict=True):
        if here != there:
            yield from narrow(source, target, part, rows=(here.rows, there.rows))


def _less(one: Key, other: Key) -> bool:
    return one < other  # type: ignore[operator]  # keys of one table are of one type
