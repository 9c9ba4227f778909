"""A point in the source's WAL: behind it, the subscriber has all that could be seen at the source."""

from __future__ import annotations

from db.engines import Connection
from db.sqlfile import read_blocks
from db.waiting import wait_until

POLL_S = 0.05

_SQL = read_blocks("publications", "prove")


class SlotFence:
    """The fence of one subscription."""

    def __init__(self, source: Connection, slot: str) -> None:
        self._source = source
        self._slot = slot

    def mark(self) -> str:
        """Return up to where every commit that can be seen now has been written."""
        row = self._source.execute(_SQL["written"]).fetchone()
        return str(row[0]) if row else "0/0"

    def is_passed(self, mark: str) -> bool:
        """Tell whether the subscriber has confirmed all up to there."""
        return self._source.execute(_SQL["confirmed"], [self._slot, mark]).fetchone() is not None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the subscriber has confirmed all that is written now; False if it takes longer."""
        mark = self.mark()
        return wait_until(lambda: self.is_passed(mark), timeout_s, poll_s=POLL_S)
