"""What goes wrong again and again is said once, and then at growing distance; its end is said too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
CALM_S = 60.0
"""What works for so long is well again: if it fails sooner, that is the same outage."""


@dataclass
class _Kind:
    """One way to fail."""

    due_at: float
    pause_s: float


class Outage:
    """Remembers what was said of one thing that fails; any thread may ask.

    Each kind of failure has a distance of its own, so two that take turns say no more than each.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[object, _Kind] = {}
        self._failures = 0
        self._began_at = 0.0
        self._well_since: float | None = None
        self._told = False

    @property
    def failures(self) -> int:
        """How many in a row."""
        return self._failures

    def fails(self, kind: object) -> bool:
        """Note a failure; tell whether it is to be said now. kind: what is the same as before is not news."""
        with self._lock:
            now = self._clock()
            if self._well_since is not None and now - self._well_since > CALM_S:
                self._kinds.clear()
            if not self._failures:
                self._began_at = now
            self._well_since = None
            self._failures += 1
            is_due = self._is_due(kind, now)
            self._told = self._told or is_due
            return is_due

    def _is_due(self, kind: object, now: float) -> bool:
        known = self._kinds.get(kind)
        if known is None:
            self._kinds[kind] = _Kind(now + FIRST_PAUSE_S, FIRST_PAUSE_S)
            return True
        if now < known.due_at:
            return False
        known.pause_s = min(2 * known.pause_s, LONGEST_PAUSE_S)
        known.due_at = now + known.pause_s
        return True

    def works(self) -> float | None:
        """Note that it works; return for how many seconds it did not, if that is to be said."""
        with self._lock:
            if not self._failures:
                return None
            now = self._clock()
            lasted_s = now - self._began_at if self._told else None
            self._failures, self._well_since, self._told = 0, now, False
            return lasted_s
