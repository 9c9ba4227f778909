"""One round of photos on their way: claimed, made by threads, written down, until no photo's turn it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_futures
from enum import Enum, auto
from threading import Event
from time import monotonic

from thumbnail_worker.photos.maker import Delayed, Outcome, Part, PhotoMaker
from thumbnail_worker.photos.queue import LEASE_S, Claim, PhotoQueue
from thumbnail_worker.photos.verdicts import Verdicts

LOOK_S = 0.2
_GRACE_S = 5.0


class Stage(Enum):
    """What a round is at."""

    CLAIMING = auto()
    """Whenever a place is free, the newest photo is taken."""
    HELD_UP = auto()
    """What every photo needs is away: no more are taken, and what is under way is waited for."""
    STOPPING = auto()
    """Somebody wants it to stop: what is under way has a moment to end."""


class Round:
    """Photos on their way, until there are none."""

    def __init__(
        self,
        queue: PhotoQueue,
        maker: PhotoMaker,
        verdicts: Verdicts,
        threads: ThreadPoolExecutor,
        *,
        places: int,
        stop: Event,
        look_around: Callable[[], None],
    ) -> None:
        """places: photos under way at a time; look_around: does what is due beside them."""
        self._queue = queue
        self._maker = maker
        self._verdicts = verdicts
        self._threads = threads
        self._places = places
        self._stop = stop
        self._look_around = look_around
        self._under_way: dict[Future[Outcome], tuple[Claim, Part]] = {}
        self._renewed_at = monotonic()
        self._stage = Stage.CLAIMING
        self._gives_up_at = float("inf")
        self.held_up_by: Delayed | None = None

    def work(self) -> None:
        """Claim, wait, record, until nothing is left or it is time to stop."""
        while True:
            self._choose_stage()
            if self._stage is Stage.CLAIMING:
                self._claim()
            if not self._under_way:
                return
            if monotonic() > self._gives_up_at:
                self._maker.pool.close()
                self._queue.release()  # others may have at once what was being made
                return
            if self._stage is not Stage.STOPPING:
                self._look_around()
            self._collect()
            self._renew()

    def leave(self) -> None:
        """Let no thread go on with what nobody would record; its claims run out by themselves."""
        if self._under_way:
            self._maker.pool.close()

    def _choose_stage(self) -> None:
        if self._stage is not Stage.STOPPING and self._stop.is_set():
            self._stage = Stage.STOPPING
            self._gives_up_at = monotonic() + _GRACE_S
        elif self._stage is Stage.CLAIMING and self.held_up_by is not None:
            self._stage = Stage.HELD_UP

    def _claim(self) -> None:
        free = self._places - len(self._under_way)
        for claim in self._queue.claim(free) if free else ():
            self._begin(claim, Part.FIRST)

    def _begin(self, claim: Claim, part: Part) -> None:
        self._under_way[self._threads.submit(self._maker.make, claim, part)] = claim, part

    def _collect(self) -> None:
        done, _ = wait_futures(self._under_way, timeout=LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            claim, part = self._under_way.pop(future)
            outcome = future.result()
            if isinstance(outcome, Delayed) and outcome.stops_all:
                self.held_up_by = outcome
            if (further := self._verdicts.record(claim, outcome, part)) is not None:
                self._begin(further, Part.FURTHER)

    def _renew(self) -> None:
        if monotonic() - self._renewed_at > LEASE_S / 3:
            self._renewed_at = monotonic()
            self._queue.renew([claim for claim, _ in self._under_way.values()])
