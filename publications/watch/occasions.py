"""What is asked of a database now and then, and not at every look."""

from __future__ import annotations

import math
from enum import Enum, auto


class Turn(Enum):
    """Where a question stands."""

    DUE = auto()
    """To be asked at this look."""
    RESTING = auto()
    """Asked just now, answered or not."""
    SETTLED = auto()
    """Answered, and never asked again."""


class Occasion:
    """The times at which one question is asked."""

    def __init__(self, rest_s: float) -> None:
        """rest_s: how long it rests once it was asked."""
        self._rest_s = rest_s
        self._until = -math.inf

    def turn(self, now: float) -> Turn:
        """Say where it stands, by the steady clock."""
        if self._until == math.inf:
            return Turn.SETTLED
        return Turn.RESTING if now < self._until else Turn.DUE

    def begin(self, now: float, *, rest_s: float | None = None) -> bool:
        """Tell whether it is to be asked now; if so, it rests from now on."""
        due = self.turn(now) is Turn.DUE
        if due:
            self._until = now + (self._rest_s if rest_s is None else rest_s)
        return due

    def settle(self) -> None:
        """Have it asked never again."""
        self._until = math.inf

    def wake(self) -> None:
        """Have it asked at the next look."""
        self._until = -math.inf
