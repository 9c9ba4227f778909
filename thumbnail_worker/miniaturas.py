"""The miniaturas: each photo of SGP's gets one, or a word why not.

Killed between storing and recording, the next run does both again: the key depends on the photo alone.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from threading import Event
from time import monotonic

from thumbnail_worker.backlog import Backlog, Pending
from thumbnail_worker.errors import Motivo, PhotoError
from thumbnail_worker.events import log
from thumbnail_worker.job import Job
from thumbnail_worker.media import Media
from thumbnail_worker.render import LONG_EDGE, render
from thumbnail_worker.storage import Storage

_SWEEP_INTERVAL_S = 15.0
_DEFER_S = 60.0
_DIGEST_DIGITS = 16


def name_key(imagem_id: int, digest: str) -> str:
    """Return where the storage holds a miniatura. digest: the original's SHA-256, in hexadecimal."""
    return f"{imagem_id}/{digest[:_DIGEST_DIGITS]}-{LONG_EDGE}.webp"


class MiniaturasJob(Job):
    """Makes what is missing, newest first, and sweeps what is left over."""

    name = "miniaturas"
    interval_s = 1.0

    def __init__(self, backlog: Backlog, media: Media, storage: Storage) -> None:
        self._backlog = backlog
        self._media = media
        self._storage = storage
        self._deferred: dict[int, float] = {}
        """Photos whose file could not be read just now, and when to try again."""
        self._next_sweep = monotonic()

    def run(self, stop: Event) -> None:
        """Work until nothing waits. Raise if the photos' folder, the storage or the database is away."""
        self._sweep()
        while batch := self._backlog.read_pending(deferred=self._still_deferred()):
            for photo in batch:
                if stop.is_set():
                    return
                self._settle(photo)

    def close(self) -> None:
        """Let go of the connection."""
        self._backlog.close()

    def _settle(self, photo: Pending) -> None:
        try:
            self._make(photo)
        except PhotoError as error:
            self._condemn(photo.imagem_id, error.motivo)

    def _make(self, photo: Pending) -> None:
        started = monotonic()
        original = self._read(photo)
        if original is None:
            return
        made = render(original)
        digest = sha256(original).hexdigest()
        chave = name_key(photo.imagem_id, digest)
        self._storage.put(chave, made.body)
        self._backlog.record_pronta(photo.imagem_id, made, chave=chave, digest=digest)
        log("miniatura_made", imagem_id=photo.imagem_id, seconds=round(monotonic() - started, 3))

    def _read(self, photo: Pending) -> bytes | None:
        """Return the photo's bytes, or None if its file is to be tried later: the others go on."""
        try:
            return self._media.read(photo.path)
        except OSError as error:
            self._deferred[photo.imagem_id] = monotonic() + _DEFER_S
            log(
                "photo_deferred", level=logging.WARNING, imagem_id=photo.imagem_id,
                error=type(error).__name__, errno=error.errno,
            )  # fmt: skip
            return None

    def _condemn(self, imagem_id: int, motivo: Motivo) -> None:
        self._backlog.record_falhou(imagem_id, motivo)
        log("miniatura_failed", level=logging.WARNING, imagem_id=imagem_id, motivo=motivo)

    def _still_deferred(self) -> list[int]:
        now = monotonic()
        self._deferred = {one: until for one, until in self._deferred.items() if until > now}
        return list(self._deferred)

    def _sweep(self) -> None:
        if monotonic() < self._next_sweep:
            return
        deleted = self._backlog.delete_orphans()
        self._next_sweep = monotonic() + _SWEEP_INTERVAL_S
        if deleted:
            log("miniaturas_swept", deleted=deleted)
