"""How a thread that only computes lets others go first, and for how long.

At the lowest priority a password's 0.3 s take 42 s beside two busy processes a core, five steps below the
ordinary one 2.3 s, at the ordinary one 0.6 s (measured). So the process of the logins makes way a little; a
thread of it goes last where the system lets it come back, and does when it has waited long enough.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LOWEST = 19
A_LITTLE = 5
PATIENCE_S = 1.0
"""An idle core checks a password in a third of this."""


def make_way() -> None:
    """Have this process, and every thread that it starts, go a little behind others, where there is a way."""
    if hasattr(os, "nice"):
        os.nice(A_LITTLE)


class Courtesy:
    """The priority of the thread that makes it; on Linux alone each has its own, elsewhere none changes."""

    def __init__(self) -> None:
        self._thread = threading.get_native_id()
        self.comes_back = False
        if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
            self._usual = os.getpriority(os.PRIO_PROCESS, self._thread)
            self.comes_back = self._try_to_come_back()

    @contextmanager
    def last_in_line(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """Let everybody else go first for the length of a block, but no longer than so many seconds."""
        if not self.comes_back:
            yield
            return
        # A thread has the priority of the one that starts it: the timer starts before this one steps back.
        timer = threading.Timer(patience_s, self._set, [self._usual])
        timer.start()
        try:
            self._set(LOWEST)
            yield
        finally:
            timer.cancel()
            timer.join()
            self._set(self._usual)

    def _try_to_come_back(self) -> bool:
        """Step back by one and forth again: root may, and who has LimitNICE."""
        self._set(min(self._usual + 1, LOWEST))
        try:
            self._set(self._usual)
        except OSError:
            return False
        return True

    def _set(self, niceness: int) -> None:
        os.setpriority(os.PRIO_PROCESS, self._thread, niceness)
