"""How long to wait before another try."""

from __future__ import annotations

import random


def choose_pause_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Return the pause after so many failures in a row: doubling, capped, and never twice the same."""
    longest = min(longest_s, first_s * 2.0 ** min(max(failures - 1, 0), 32))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
