"""Rows that differ: what is only on its way is asked for again, until it is equal or differs for good."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from publications.prove.ranges import Key, KeyRange
from publications.prove.sides import RowState


class Kind(StrEnum):
    """How a row of the target's differs from the source's."""

    MISSING = "missing"
    """It was sent and is not there."""
    EXTRA = "extra"
    """The source has no such row."""
    CHANGED = "changed"
    """It is not what was sent."""
    LEFT_FILTER = "left_filter"
    """The source has it and does not send it any more."""
    NEWER = "newer"
    """It holds a version that the source has not given to it."""


@dataclass(frozen=True)
class Difference:
    """One row. settled: all that was sent until then had arrived; else it may be on its way."""

    key: Key
    kind: Kind
    settled: bool = True
    was: RowState | None = None
    """The source's row that was compared, so that who heals knows whether it has changed since."""


@dataclass(frozen=True)
class Candidate:
    """A row that differed: the target's state, and the source's, which was read after it."""

    key: Key
    there: RowState | None
    here: RowState | None


class Rows(Protocol):
    """One end, for single rows."""

    def read(self, within: KeyRange) -> dict[Key, RowState]:
        """Return every row of a range."""

    def read_keys(self, keys: Collection[Key]) -> dict[Key, RowState]:
        """Return those of the rows that are there."""

    def find_keys(self, keys: Collection[Key]) -> set[Key]:
        """Return those of the keys that are there, whether they are sent or not."""


class Fence(Protocol):
    """Tells that what the source had written has arrived."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until the target has all that the source shows now; False if it takes longer."""


def find_candidates(source: Rows, target: Rows, within: KeyRange) -> list[Candidate]:
    """Return the rows of a range that differ just now."""
    there = target.read(within)
    return _pair(source.read(within), there)


def find_candidates_among(source: Rows, target: Rows, keys: Collection[Key]) -> list[Candidate]:
    """Return those of some rows that differ just now."""
    there = target.read_keys(keys)
    return _pair(source.read_keys(keys), there)


def settle(
    source: Rows,
    target: Rows,
    candidates: Collection[Candidate],
    fence: Fence,
    *,
    timeout_s: float,
    versioned: bool,
) -> list[Difference]:
    """Return those that differ though all that was sent of them has arrived.

    A row settles where the source's has not changed since before the fence. Of a row that the source has not,
    the target's must be the very one of before: else it came and went meanwhile. Rows that change faster than
    that, or for which nothing is confirmed in time, are returned unsettled.
    """
    found: list[Difference] = []
    deadline = time.monotonic() + timeout_s
    while candidates and (left_s := deadline - time.monotonic()) > 0 and fence.wait(left_s):
        before = {one.key: one for one in candidates}
        there = target.read_keys(before)
        moving = []
        for one in _pair(source.read_keys(before), there):
            if _is_settled(before[one.key], one):
                found.append(_judge(one, versioned=versioned, settled=True))
            else:
                moving.append(one)
        candidates = moving
    found += [_judge(one, versioned=versioned, settled=False) for one in candidates]
    return _name_left_filter(source, found)


def count_kinds(differences: Iterable[Difference]) -> Mapping[str, int]:
    """Count the settled ones by kind."""
    return Counter(one.kind.value for one in differences if one.settled)


def _pair(here: Mapping[Key, RowState], there: Mapping[Key, RowState]) -> list[Candidate]:
    pairs = (Candidate(key, there.get(key), here.get(key)) for key in here.keys() | there.keys())
    return [one for one in pairs if _mix(one.here) != _mix(one.there)]


def _mix(state: RowState | None) -> int | None:
    return state.mix if state else None


def _is_settled(before: Candidate, now: Candidate) -> bool:
    return now.here == before.here and (now.here is not None or now.there == before.there)


def _judge(one: Candidate, *, versioned: bool, settled: bool) -> Difference:
    if one.there is None:
        kind = Kind.MISSING
    elif one.here is None:
        kind = Kind.EXTRA
    else:
        kind = Kind.NEWER if versioned and one.there.version > one.here.version else Kind.CHANGED
    return Difference(one.key, kind, settled, one.here)


def _name_left_filter(source: Rows, found: list[Difference]) -> list[Difference]:
    extra = [one.key for one in found if one.kind is Kind.EXTRA]
    kept = source.find_keys(extra)
    return [
        Difference(one.key, Kind.LEFT_FILTER, one.settled)
        if one.kind is Kind.EXTRA and one.key in kept
        else one
        for one in found
    ]
