"""How fast whoever compares may work, so that nobody else feels it."""

from __future__ import annotations

import threading

WHOLE = 100.0
FIRST = 8


class Pace:
    """Rests after each piece of work, so that no more than a share of the time is spent working.

    A question keeps one core of its server busy at most, so the share is one of a core.
    """

    def __init__(
        self, core_percent: float, stopping: threading.Event | None = None, *, burst_s: float = 0.0
    ) -> None:
        """burst_s: so much work is done before it is rested from; at first FIRST times as much more."""
        self._rest = WHOLE / core_percent - 1
        self._burst_s = burst_s
        self._worked_s = -FIRST * burst_s
        self._stopping = stopping or threading.Event()

    def rest(self, worked_s: float) -> None:
        """Rest from work that was done; end at once where all is to stop."""
        self._worked_s += worked_s
        if self._worked_s >= self._burst_s:
            self._stopping.wait(self._worked_s * self._rest)
            self._worked_s = 0.0

    @property
    def stopped(self) -> bool:
        """All is to stop."""
        return self._stopping.is_set()
