"""The miniaturas: each photo of SGP's gets one, or a word why not.

One thread has the database and hands out photos, newest first; others each have one photo made and
stored. Killed at any instant, another run does again what was not recorded: keys depend on content alone.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_futures
from dataclasses import replace
from threading import Event
from time import monotonic

from thumbnail_worker.errors import PhotosStoppedError
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job
from thumbnail_worker.photos.darkroom import Darkroom, Delayed, Outcome, Stored
from thumbnail_worker.photos.messages import Rejected, Unchanged
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.queue import LEASE_S, Backlog, Claim

_LOOK_S = 0.2
_SWEEP_INTERVAL_S = 15.0
_RECHECK_INTERVAL_S = 60.0
_GRACE_S = 5.0
_LONGEST_DELAY_S = 300.0
_AT_THE_STORAGE = 2
"""Threads beyond the rendering processes: their photos are on the way to the storage."""


class MiniaturasJob(Job):
    """Makes what waits, newest first, and sweeps what is left over."""

    name = "miniaturas"
    interval_s = 1.0

    def __init__(
        self,
        backlog: Backlog,
        darkroom: Darkroom,
        media: Media,
        metrics: WorkerMetrics,
        *,
        report: Callable[[], object] = lambda: None,
    ) -> None:
        """report: called after each photo that has its verdict."""
        self._backlog = backlog
        self._darkroom = darkroom
        self._media = media
        self._metrics = metrics
        self._report = report
        self._more = len(darkroom.recipe.long_edges) > 1
        self._next_sweep = self._next_recheck = monotonic()
        self._started = False

    def run(self, stop: Event) -> None:
        """Work until no photo's turn it is. Raise PhotosStoppedError if what all need is away."""
        self._start()
        self.look_around()
        slots = self._darkroom.pool.processes + _AT_THE_STORAGE
        with ThreadPoolExecutor(slots, thread_name_prefix="photo") as threads:
            round_ = _Round(self, threads, slots, stop)
            try:
                round_.work()
            finally:
                round_.leave()
        if round_.stopped_by is not None:
            raise PhotosStoppedError(round_.stopped_by.fact, round_.stopped_by.hint)

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run, or for a photo to arrive."""
        deadline = monotonic() + seconds
        while not stop.is_set() and (left := deadline - monotonic()) > 0:
            if self._backlog.wait(min(left, _LOOK_S)):
                return

    def close(self) -> None:
        """Let go of the connection and end the rendering processes."""
        self._darkroom.pool.close()
        self._backlog.close()
        self._started = False

    def _start(self) -> None:
        if not self._started:
            queued = self._backlog.queue_other_recipes()
            if queued:
                log("photos_queued_for_recipe", queued=queued)
            self._darkroom.pool.start()
            self._started = True

    def look_around(self) -> None:
        """Do what is due beside the photos, at its own cadence: recheck, sweep, count."""
        if monotonic() >= self._next_recheck:
            self._next_recheck = monotonic() + _RECHECK_INTERVAL_S
            self._recheck()
        if monotonic() >= self._next_sweep:
            self._next_sweep = monotonic() + _SWEEP_INTERVAL_S
            if swept := self._backlog.sweep():
                log("photos_swept", rows=swept)
            self._metrics.show(self._backlog.count())

    def _recheck(self) -> None:
        """Give photos without a miniatura another turn whose file is not what it was."""
        changed = [
            imagem_id
            for imagem_id, path, seen in self._backlog.read_condemned()
            if self._media.look(path) != seen
        ]
        if changed:
            log("photos_changed", queued=self._backlog.queue(changed))

    # ------------------------------------------------------------------ one photo

    def develop(self, claim: Claim, first: bool) -> Outcome:
        """Have a photo made, in a thread of its own."""
        if not claim.landed:
            return Delayed("not_landed")
        return self._darkroom.develop(claim, first=first)

    def record(self, claim: Claim, outcome: Outcome, *, first: bool) -> Claim | None:
        """Write down what came of a photo; return the claim as it is now if further renditions are wanted."""
        match outcome:
            case Stored() if first:
                return self._announce(claim, outcome)
            case Stored():
                self._complete(claim, outcome)
            case Rejected():
                self._condemn(claim, outcome)
            case Unchanged():
                self._backlog.settle(claim, seen=outcome.read.seen)
            case Delayed():
                self._postpone(claim, outcome)
        self._report()
        return None

    def _announce(self, claim: Claim, stored: Stored) -> Claim | None:
        held = self._backlog.announce(
            claim, stored.first, chave=stored.chave, digest=stored.read.digest
        )  # fmt: skip
        if not held:
            log("claim_lost", level=logging.WARNING, imagem_id=claim.imagem_id)
            return None
        self._metrics.made.inc()
        self._metrics.seconds.observe(stored.seconds)
        self._metrics.stored.inc(stored.size)
        log("miniatura_made", imagem_id=claim.imagem_id, seconds=round(stored.seconds, 3))
        if self._more:
            # What becomes of the others must not take away what is announced by now.
            return replace(claim, announced=stored.read.digest)
        self._backlog.settle(claim, seen=stored.read.seen)
        self._report()
        return None

    def _complete(self, claim: Claim, stored: Stored) -> None:
        """Take the photo off the queue, unless its file was replaced between two renditions."""
        self._metrics.stored.inc(stored.size)
        if stored.read.digest != claim.announced:
            self._backlog.queue([claim.imagem_id])
        self._backlog.settle(claim, seen=stored.read.seen)

    def _condemn(self, claim: Claim, refused: Rejected) -> None:
        """Say why there is none; a miniatura of the same content, or of a file now gone, stays."""
        motivo, event = refused.motivo, None
        if claim.announced is not None and refused.digest in {None, claim.announced}:
            event = "miniatura_kept"
        elif self._backlog.condemn(claim, motivo, digest=refused.digest):
            event = "miniatura_failed"
            self._metrics.failed.labels(motivo).inc()
        if event is not None:
            log(event, level=logging.WARNING, imagem_id=claim.imagem_id, motivo=motivo, hint=refused.hint)
        self._backlog.settle(claim, seen=refused.seen)

    def _postpone(self, claim: Claim, delayed: Delayed) -> None:
        self._backlog.postpone(claim, choose_delay_s(claim.attempts), strike=delayed.strike)
        self._metrics.postponed.labels(delayed.cause).inc()
        log(
            "photo_postponed", level=logging.WARNING, imagem_id=claim.imagem_id, cause=delayed.cause,
            errno=delayed.errno, attempts=claim.attempts + 1,
        )  # fmt: skip

    def claim(self, most: int) -> list[Claim]:
        """Take photos to make."""
        return self._backlog.claim(most) if most else []

    def renew(self, claims: list[Claim]) -> None:
        """Keep what is being made."""
        self._backlog.renew(claims)

    def abandon(self) -> None:
        """End what is being made, and let others have it at once."""
        self.end_processes()
        self._backlog.release()

    def end_processes(self) -> None:
        """End what is being made; its claims run out by themselves."""
        self._darkroom.pool.close()


class _Round:
    """Photos on their way, until there are none."""

    def __init__(self, job: MiniaturasJob, threads: ThreadPoolExecutor, slots: int, stop: Event) -> None:
        self._job = job
        self._threads = threads
        self._slots = slots
        self._stop = stop
        self._under_way: dict[Future[Outcome], tuple[Claim, bool]] = {}
        self._renewed = monotonic()
        self.stopped_by: Delayed | None = None

    def work(self) -> None:
        """Claim, wait, record, until nothing is left or it is time to stop."""
        deadline: float | None = None
        while True:
            if self._stop.is_set():
                deadline = deadline or monotonic() + _GRACE_S
            elif self.stopped_by is None:
                for claim in self._job.claim(self._slots - len(self._under_way)):
                    self._begin(claim, first=True)
            if not self._under_way:
                return
            if deadline is not None and monotonic() > deadline:
                self._job.abandon()
                return
            if deadline is None:
                self._job.look_around()
            self._collect()
            self._renew()

    def leave(self) -> None:
        """Let no thread go on with what nobody would record."""
        if self._under_way:
            self._job.end_processes()

    def _begin(self, claim: Claim, *, first: bool) -> None:
        self._under_way[self._threads.submit(self._job.develop, claim, first)] = claim, first

    def _collect(self) -> None:
        done, _ = wait_futures(self._under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            claim, first = self._under_way.pop(future)
            outcome = future.result()
            if isinstance(outcome, Delayed) and outcome.stops_all:
                self.stopped_by = outcome
            if (further := self._job.record(claim, outcome, first=first)) is not None:
                self._begin(further, first=False)

    def _renew(self) -> None:
        if monotonic() - self._renewed > LEASE_S / 3:
            self._renewed = monotonic()
            self._job.renew([claim for claim, _ in self._under_way.values()])


def choose_delay_s(attempts: int) -> float:
    """Return how long to leave a photo alone: doubling from a second, capped, never twice the same."""
    longest = min(_LONGEST_DELAY_S, 2.0 ** min(attempts, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
