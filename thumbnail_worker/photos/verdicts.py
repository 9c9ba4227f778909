"""What is written down of each photo: its miniatura, why there is none, or when to try again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from db.backoff import choose_pause_s
from thumbnail_worker.events import log
from thumbnail_worker.photos.maker import NOT_LANDED, Delayed, Outcome, Part, Stored
from thumbnail_worker.photos.messages import Rejected, Unchanged
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.queue import Claim, PhotoQueue

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 300.0


class Verdicts:
    """Writes them to the queue and the manifest, and says them."""

    def __init__(
        self,
        queue: PhotoQueue,
        metrics: WorkerMetrics,
        *,
        further: bool,
        on_verdict: Callable[[], object] = lambda: None,
    ) -> None:
        """further: whether there are renditions beside the first; on_verdict: called after each photo."""
        self._queue = queue
        self._metrics = metrics
        self._further = further
        self._on_verdict = on_verdict

    def record(self, claim: Claim, outcome: Outcome, part: Part) -> Claim | None:
        """Write down what came of a photo; return the claim as it is now if further renditions are wanted."""
        match outcome:
            case Stored() if part is Part.FIRST:
                return self._announce(claim, outcome)
            case Stored():
                self._complete(claim, outcome)
            case Rejected():
                self._condemn(claim, outcome)
            case Unchanged():
                self._queue.settle(claim, seen=outcome.original.seen)
            case Delayed():
                self._postpone(claim, outcome)
        self._on_verdict()
        return None

    def _announce(self, claim: Claim, stored: Stored) -> Claim | None:
        held = self._queue.announce(claim, stored.first, chave=stored.chave, digest=stored.original.digest)
        if not held:
            log("claim_lost", level=logging.WARNING, imagem_id=claim.imagem_id)
            return None
        self._metrics.made.inc()
        self._metrics.seconds.observe(stored.seconds)
        self._metrics.stored.inc(stored.size)
        log("miniatura_made", imagem_id=claim.imagem_id, seconds=round(stored.seconds, 3))
        if self._further:
            # What becomes of the others must not take away what is announced by now.
            return replace(claim, announced=stored.original.digest)
        self._queue.settle(claim, seen=stored.original.seen)
        self._on_verdict()
        return None

    def _complete(self, claim: Claim, stored: Stored) -> None:
        """Take the photo off the queue, unless its file was replaced between two renditions."""
        self._metrics.stored.inc(stored.size)
        if stored.original.digest != claim.announced:
            self._queue.put([claim.imagem_id])
        self._queue.settle(claim, seen=stored.original.seen)

    def _condemn(self, claim: Claim, refused: Rejected) -> None:
        """Say why there is none; a miniatura of the same content, or of a file now gone, stays."""
        motivo, event = refused.motivo, None
        if claim.announced is not None and refused.digest in {None, claim.announced}:
            event = "miniatura_kept"
        elif self._queue.condemn(claim, motivo, digest=refused.digest):
            event = "miniatura_failed"
            self._metrics.failed.labels(motivo).inc()
        if event is not None:
            log(event, level=logging.WARNING, imagem_id=claim.imagem_id, motivo=motivo, hint=refused.hint)
        self._queue.settle(claim, seen=refused.seen)

    def _postpone(self, claim: Claim, delayed: Delayed) -> None:
        pause_s = choose_pause_s(claim.attempts + 1, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
        self._queue.postpone(claim, pause_s, strike=delayed.strike)
        if not delayed.strike and delayed.cause != NOT_LANDED:
            self._queue.hold_up(delayed.cause)
        self._metrics.postponed.labels(delayed.cause).inc()
        log(
            "photo_postponed", level=logging.WARNING, imagem_id=claim.imagem_id, cause=delayed.cause,
            errno=delayed.errno, attempts=claim.attempts + 1,
        )  # fmt: skip
