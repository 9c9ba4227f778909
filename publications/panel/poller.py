"""Looks every second and keeps the last look; the history is written beside it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from db.unforeseen import Unforeseen
from publications.panel.recorder import Recorder
from publications.watch.history import Piece, Turn
from publications.watch.road import Watch
from publications.watch.view import View

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Polled:
    """The last look, when it was, and what the history says."""

    view: View
    at_unix: float
    at_steady: float
    day: Mapping[str, Sequence[Piece]] = field(default_factory=dict)
    turns: Mapping[str, Sequence[Turn]] = field(default_factory=dict)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the look."""
        return time.monotonic() - self.at_steady


class Poller:
    """A thread that looks; everything shown is what it saw last, with its age."""

    def __init__(
        self, watch: Watch, vitrine: SecretStr, *, interval_s: float = 1.0, record_s: float = 10.0
    ) -> None:
        self._watch = watch
        self._interval_s = interval_s
        self._last: Polled | None = None
        self._recorder = Recorder(lambda: self._last, vitrine, record_s=record_s)
        self._unforeseen = Unforeseen(log, thread="poller")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    @property
    def last(self) -> Polled | None:
        """The last look; None before the first."""
        return self._last

    def start(self) -> None:
        """Begin, and wait for the first look."""
        self._keep(self._watch.look_first())
        self._thread.start()
        self._recorder.start()

    def stop(self) -> None:
        """End; what was seen stays, and grows old."""
        self._stopping.set()
        self._thread.join(5.0)
        self._recorder.stop()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            try:
                self._keep(self._watch.look())
            except Exception as error:  # noqa: BLE001  # the last look grows old, and the panel says so
                self._unforeseen.tell(error)

    def _keep(self, view: View) -> None:
        history = self._recorder.history
        self._last = Polled(view, time.time(), time.monotonic(), history.day, history.turns)
