"""The day's chart: a bar for each ten minutes, taller for older data. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.freshness import FreshnessState
from publications.watch.history import PIECE_S, Piece

PIECES = 86400 // PIECE_S
HEIGHT = 100
TALLEST_S = 86400.0


@dataclass(frozen=True)
class Bar:
    """One bar, in units of the drawing: a piece is 1 wide, the drawing 100 high."""

    x: int
    height: float
    state: str


@dataclass(frozen=True)
class Chart:
    """What is drawn, and what it says in words."""

    bars: tuple[Bar, ...]
    measured_share: float
    """How much of the day somebody measured."""
    fresh_share: float | None
    """Share of the measured pieces that were fresh throughout; None if there is none."""
    longest_s: float | None
    unknown: bool
    """At some time the age was not known."""


def draw(pieces: Sequence[Piece], *, now: datetime) -> Chart:
    """Draw the day that ends now. Where nobody measured there is no bar."""
    first = now - timedelta(seconds=PIECE_S * PIECES)
    shown = {math.ceil((one.starts_at - first).total_seconds() / PIECE_S) - 1: one for one in pieces}
    shown = {x: one for x, one in shown.items() if 0 <= x < PIECES}
    ages = [one.age_seconds for one in shown.values() if one.age_seconds is not None]
    return Chart(
        bars=tuple(Bar(x, _height(one), one.state.value) for x, one in sorted(shown.items())),
        measured_share=len(shown) / PIECES,
        fresh_share=_share(shown),
        longest_s=max(ages, default=None),
        unknown=any(one.unknown for one in shown.values()),
    )


def _share(shown: Mapping[int, Piece]) -> float | None:
    fresh = sum(one.state is FreshnessState.FRESH for one in shown.values())
    return fresh / len(shown) if shown else None


def _height(piece: Piece) -> float:
    """An unknown age is the tallest. Logarithmic: seconds and hours are both to be seen."""
    if piece.unknown or piece.age_seconds is None:
        return float(HEIGHT)
    share = math.log10(1 + min(piece.age_seconds, TALLEST_S)) / math.log10(1 + TALLEST_S)
    return max(3.0, round(HEIGHT * share, 1))
