"""A circuit breaker: who did not answer several times is left alone for a while, then asked once."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

FAILURES = 3
PAUSE_S = 2.0
LONGEST_PAUSE_S = 20.0


class BreakerState(StrEnum):
    """What becomes of the next question."""

    CLOSED = "closed"
    """It goes through."""
    OPEN = "open"
    """It is refused at once."""
    HALF_OPEN = "half_open"
    """One is on trial; until it has ended the others are refused."""


class Breaker:
    """Counts questions that got no answer; the pause doubles with each trial that fails."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed = 0
        self._pause_s = PAUSE_S
        self._tries_at = 0.0
        self.state = BreakerState.CLOSED

    @property
    def wait_s(self) -> float:
        """Return how long until a question may be tried; 0 if one may now."""
        match self.state:
            case BreakerState.CLOSED:
                return 0.0
            case BreakerState.OPEN:
                return max(0.0, self._tries_at - self._clock())
            case BreakerState.HALF_OPEN:
                return PAUSE_S

    def take(self) -> bool:
        """Tell whether a question may be asked; whoever asks tells how it ended."""
        if self.wait_s > 0:
            return False
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN
        return True

    def succeed(self) -> None:
        """Note an answer."""
        self.state = BreakerState.CLOSED
        self._failed, self._pause_s = 0, PAUSE_S

    def fail(self) -> None:
        """Note that none came."""
        self._failed += 1
        if self.state is BreakerState.CLOSED and self._failed < FAILURES:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self.state = BreakerState.OPEN
        self._tries_at = self._clock() + self._pause_s
