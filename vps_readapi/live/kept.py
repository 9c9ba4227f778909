"""The last good answers, for while SGP is away: bounded in bytes and in age."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

_OVERHEAD_BYTES = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer, and when it came by two clocks: one is set, the other stands still while a VPS sleeps."""

    content: bytes
    steady_s: float
    wall_s: float

    @property
    def age_s(self) -> float:
        """Return how old it is, by the clock that says more."""
        return max(time.monotonic() - self.steady_s, time.time() - self.wall_s, 0.0)


class KeptAnswers:
    """Answers by question; those that were used longest ago make room."""

    def __init__(self, *, max_bytes: int, max_age_s: float) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._answers: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    def keep(self, target: str, content: bytes) -> None:
        """Keep an answer that came just now."""
        self.forget(target)
        if _measure(target, content) > self._max_bytes:
            return
        self._answers[target] = Kept(content, time.monotonic(), time.time())
        self._bytes += _measure(target, content)
        while self._bytes > self._max_bytes:
            self.forget(next(iter(self._answers)))

    def find(self, target: str) -> Kept | None:
        """Return the last answer, unless it is too old to be shown."""
        kept = self._answers.get(target)
        if kept is None or kept.age_s > self._max_age_s:
            self.forget(target)
            return None
        self._answers.move_to_end(target)
        return kept

    def forget(self, target: str) -> None:
        """Let an answer go."""
        kept = self._answers.pop(target, None)
        if kept is not None:
            self._bytes -= _measure(target, kept.content)


def _measure(target: str, content: bytes) -> int:
    return len(content) + len(target) + _OVERHEAD_BYTES
