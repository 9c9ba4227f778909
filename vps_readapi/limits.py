"""How much one caller may ask of the database; answers from memory cost it nothing and are not counted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import MutableMapping
from math import ceil
from typing import Any

from vps_readapi.errors import DETAILS, ProblemError

IS_COUNTED = "is_counted"
"""Of a request's own state: whether it was counted already."""
MAX_CALLERS = 4096
ROWS_PER_REQUEST = 100
"""So many orders, read and rendered, count as one request more."""
MAX_DEBT_S = 10.0
"""For no longer must somebody wait for what he has had."""


class Limits:
    """A bucket for each caller, filled at a steady rate."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, state: MutableMapping[str, Any], user_id: int) -> None:
        """Count a request of somebody known, once. Raise ProblemError (429) if it is one too many.

        state: the request's own, of its scope; it tells whether the request was counted already.
        """
        if state.get(IS_COUNTED):
            return
        state[IS_COUNTED] = True
        wait_s = self.take(str(user_id))
        if wait_s:
            raise ProblemError(429, DETAILS[429], {"Retry-After": str(ceil(wait_s))})

    def charge(self, user_id: int, rows: int) -> None:
        """Count what an answer has cost beside being asked for; who owes must wait."""
        caller, now = str(user_id), time.monotonic()
        left, then = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second) - rows // ROWS_PER_REQUEST
        self._buckets[caller] = (max(left, -MAX_DEBT_S * self._per_second), now)

    def take(self, caller: str) -> float:
        """Count one request; return 0 if it may pass, else the seconds until one may."""
        now = time.monotonic()
        left, then = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        allowed = left >= 1
        self._buckets[caller] = (left - 1 if allowed else left, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_second
