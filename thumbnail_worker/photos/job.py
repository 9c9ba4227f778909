"""The miniaturas: each photo of SGP's gets one, or a word why not.

One thread has the database and hands out photos, newest first; others each have one photo made and
stored. Killed at any instant, another run does again what was not recorded: keys depend on content alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from threading import Event
from time import monotonic

from thumbnail_worker.errors import PhotosStoppedError
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job
from thumbnail_worker.photos.maker import PhotoMaker
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.queue import PhotoQueue
from thumbnail_worker.photos.round import LOOK_S, Round
from thumbnail_worker.photos.verdicts import Verdicts

_SWEEP_INTERVAL_S = 15.0
_RECHECK_INTERVAL_S = 60.0
_AT_THE_STORAGE = 2
"""Threads beyond the rendering processes: their photos are on the way to the storage."""


class Stage(Enum):
    """Whether the job has what it works with."""

    CLOSED = auto()
    """No process runs, and what another recipe made was not looked for."""
    OPEN = auto()


class MiniaturasJob(Job):
    """Makes what waits, newest first, and sweeps what is left over."""

    name = "miniaturas"
    interval_s = 1.0

    def __init__(
        self,
        queue: PhotoQueue,
        maker: PhotoMaker,
        media: Media,
        metrics: WorkerMetrics,
        *,
        on_verdict: Callable[[], object] = lambda: None,
    ) -> None:
        """on_verdict: called after each photo that has its verdict."""
        self._queue = queue
        self._maker = maker
        self._media = media
        self._metrics = metrics
        self._verdicts = Verdicts(
            queue, metrics, further=len(maker.recipe.long_edges) > 1, on_verdict=on_verdict
        )
        self._next_sweep = self._next_recheck = monotonic()
        self._stage = Stage.CLOSED

    def run(self, stop: Event) -> None:
        """Work until no photo's turn it is. Raise PhotosStoppedError if what all need is away."""
        if self._stage is Stage.CLOSED:
            self._open()
        self.look_around()
        places = self._maker.pool.processes + _AT_THE_STORAGE
        with ThreadPoolExecutor(places, thread_name_prefix="photo") as threads:
            round_ = Round(
                self._queue, self._maker, self._verdicts, threads,
                places=places, stop=stop, look_around=self.look_around,
            )  # fmt: skip
            try:
                round_.work()
            finally:
                round_.leave()
        if round_.held_up_by is not None:
            raise PhotosStoppedError(round_.held_up_by.fact, round_.held_up_by.hint)

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run, or for a photo to arrive."""
        deadline = monotonic() + seconds
        while not stop.is_set() and (left := deadline - monotonic()) > 0:
            if self._queue.wait(min(left, LOOK_S)):
                return

    def close(self) -> None:
        """Let go of the connection and end the rendering processes."""
        self._maker.pool.close()
        self._queue.close()
        self._stage = Stage.CLOSED

    def _open(self) -> None:
        queued = self._queue.queue_other_recipes()
        if queued:
            log("photos_queued_for_recipe", queued=queued)
        self._maker.pool.start()
        self._stage = Stage.OPEN

    def look_around(self) -> None:
        """Do what is due beside the photos, at its own cadence: recheck, sweep, count."""
        if monotonic() >= self._next_recheck:
            self._next_recheck = monotonic() + _RECHECK_INTERVAL_S
            self._recheck()
        if monotonic() >= self._next_sweep:
            self._next_sweep = monotonic() + _SWEEP_INTERVAL_S
            if swept := self._queue.sweep():
                log("photos_swept", rows=swept)
            self._metrics.show(self._queue.count())

    def _recheck(self) -> None:
        """Give photos without a miniatura another turn whose file is not what it was."""
        changed = [
            imagem_id
            for imagem_id, path, seen in self._queue.read_condemned()
            if self._media.look(path) != seen
        ]
        if changed:
            log("photos_changed", queued=self._queue.put(changed))
