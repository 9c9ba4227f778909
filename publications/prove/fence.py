"""A point in the source's WAL: behind it, the subscriber has all that could be seen at the source."""

from __future__ import annotations

import time

from db.engines import Connection
from db.sqlfile import read_blocks

POLL_S = 0.05

_SQL = read_blocks("publications", "prove")


class SlotFence:
    """The fence of one subscription."""

    def __init__(self, source: Connection, slot: str) -> None:
        self._source = source
        self._slot = slot

    def wait(self, timeout_s: float) -> bool:
        """Wait until the subscriber has confirmed all that is written now; False if it takes longer."""
        deadline = time.monotonic() + timeout_s
        [written] = self._source.execute(_SQL["written"]).fetchone() or [None]
        while not self._source.execute(_SQL["confirmed"], [self._slot, written]).fetchone():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True
