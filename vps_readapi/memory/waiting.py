"""Those who wait for the database's word: for the question under way, or for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Confirmed = Callable[[bool], None]


class Waiting:
    """Tells each once: True when all that was visible before he came is known, False if it can't be."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._next: list[Confirmed] = []
        self._asked: list[Confirmed] = []
        self._since = 0.0

    def __len__(self) -> int:
        """Return how many the next question will answer."""
        return len(self._next)

    def join(self, done: Confirmed) -> None:
        """Wait for the next question: the one under way began too early."""
        if not self._next:
            self._since = self._loop.time()
        self._next.append(done)

    def begin(self) -> None:
        """Have the question that begins now answer all who wait for the next."""
        self._asked, self._next = self._next, []

    def end(self, known: bool) -> None:
        """Tell those whom the question under way was to answer."""
        asked, self._asked = self._asked, []
        self._tell(asked, known)

    def ask_again(self) -> None:
        """Have the next question answer them too: the one under way was lost."""
        if self._asked:
            self._next, self._asked = self._asked + self._next, []
            self._since = self._loop.time()

    def give_up_late(self, longest_s: float) -> None:
        """Tell those who wait for a question that nobody asked for so long."""
        if self._next and self._loop.time() - self._since > longest_s:
            late, self._next = self._next, []
            self._tell(late, False)

    def _tell(self, waiting: list[Confirmed], known: bool) -> None:
        for done in waiting:
            try:
                done(known)
            except Exception as error:  # noqa: BLE001  # the others must not wait for ever
                context = {"message": "a confirmation was not taken", "exception": error}
                self._loop.call_exception_handler(context)
