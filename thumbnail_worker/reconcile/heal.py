"""Reconciliation: rows, originals, manifest and objects are read, compared, and brought together again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from psycopg import Cursor
from psycopg.rows import TupleRow
from rich.progress import Progress

from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.errors import StorageError, StorageInDoubtError
from thumbnail_worker.events import log
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.queue import PhotoQueue
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.reconcile.compare import Drift, Finding, PhotoState, compare, is_unlikely
from thumbnail_worker.storage import Storage

GRACE_S = 3600.0
"""An object that belongs to nothing is deleted by a run that finds it so this much later again."""
_FAILURES = 10
"""After so many deletions in a row that the storage refuses, the others are left to the next run."""
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})


@dataclass(frozen=True)
class Reconciliation:
    """What was found and what was done."""

    findings: tuple[Finding, ...]
    queued: int = 0
    deleted: int = 0
    undeleted: int = 0
    """Objects that the storage would not delete."""


class Reconciler:
    """Reads all four, and heals."""

    def __init__(
        self, vitrine: JobConnection, queue: PhotoQueue, media: Media, storage: Storage, recipe: Recipe
    ) -> None:
        self._vitrine = vitrine
        self._queue = queue
        self._media = media
        self._storage = storage
        self._recipe = recipe
        self._sql = read_blocks("thumbnail_worker", "reconcile")

    def find(self, progress: Progress) -> list[Finding]:
        """Compare. Raise MediaRootError or StorageError: a missing share is no missing file."""
        # The objects after the manifest: what it announces is there already.
        files = [path for path in self._media.list_paths() if _is_photo(path)]
        photos = self._read_photos()
        objects = {one.chave: one.size for one in self._storage.list_objects()}
        task = progress.add_task("photos", total=len(photos))
        originals: dict[int, str | None] = {}
        for photo in photos:
            if photo.row:
                originals[photo.imagem_id] = self._media.look(photo.path)
            progress.advance(task)
        return compare(
            photos, originals=originals, files=files, objects=objects, long_edges=self._recipe.long_edges
        )

    def heal(
        self, findings: Sequence[Finding], *, grace_s: float = GRACE_S, force: bool = False
    ) -> Reconciliation:
        """Bring together what can be; what an object's fate depends on is read again just before.

        Raise StorageInDoubtError, with nothing touched, if unlikely much is missing; force: believe it.
        """
        lost = [one for one in findings if one.drift is Drift.MANIFEST_WITHOUT_OBJECT]
        if not force:
            self._doubt(len(lost))
        self._queue.sweep()
        queued = self._queue.put([*self._withdraw(lost), *_pick_stale(findings)])
        queued += self._queue.queue_refused()
        keys = [str(one.what) for one in findings if one.drift is Drift.OBJECT_WITHOUT_MANIFEST]
        deleted, undeleted = self._delete_leftovers(keys, grace_s)
        log(
            "photos_reconciled", queued=queued, deleted=deleted, undeleted=undeleted, found=len(findings)
        )  # fmt: skip
        return Reconciliation(tuple(findings), queued, deleted, undeleted)

    def close(self) -> None:
        """Let go of connections."""
        self._vitrine.close()
        self._queue.close()
        self._storage.close()

    def _doubt(self, lost: int) -> None:
        row = self._run("count_announced", {}).fetchone()
        announced = int(row[0]) if row else 0
        if is_unlikely(lost=lost, announced=announced):
            raise StorageInDoubtError(
                f"the storage lacks {lost} of {announced} miniaturas that are announced",
                "check that it is the right bucket or folder and mounted; 'reconcile --force' believes it",
            )

    def _withdraw(self, lost: Sequence[Finding]) -> list[int]:
        """Announce no longer what can't be fetched, until it has been made again; return which photos."""
        given = {"imagem_ids": [one.what for one in lost], "chaves": [one.chave for one in lost]}
        return [row[0] for row in self._run("withdraw_verdicts", given).fetchall()]

    def _delete_leftovers(self, keys: list[str], grace_s: float) -> tuple[int, int]:
        """Remember these, and delete those that were so before, unless a verdict names them now.

        Return how many are gone and how many the storage would not delete.
        """
        self._run("forget_leftovers", {"keys": keys})
        self._run("remember_leftovers", {"keys": keys})
        deleted = undeleted = in_a_row = 0
        for (key,) in self._run("read_leftovers", {"grace_s": grace_s}).fetchall():
            try:
                with self._vitrine.connection().transaction():
                    deleted += self._delete_leftover(key)
                in_a_row = 0
            except StorageError as error:
                log("leftover_kept", level=logging.WARNING, chave=key, fact=error.fact, hint=error.hint)
                undeleted, in_a_row = undeleted + 1, in_a_row + 1
            if in_a_row == _FAILURES:
                break
        return deleted, undeleted

    def _delete_leftover(self, key: str) -> bool:
        """Delete an object while no worker can be at its photo; tell whether it was one to delete."""
        self._run("hold_photo", {"key": key})
        given = {"key": key, "long_edges": [str(edge) for edge in self._recipe.long_edges]}
        if self._run("is_leftover", given).fetchone() is None:
            return False
        self._storage.delete(key)
        self._run("forget_leftover", {"key": key})
        return True

    def _read_photos(self) -> list[PhotoState]:
        return [PhotoState(*row) for row in self._run("read_photos", {}).fetchall()]

    def _run(self, name: str, given: Mapping[str, object]) -> Cursor[TupleRow]:
        return self._vitrine.connection().execute(self._sql[name], given)


_STALE = frozenset(
    {Drift.ROW_WITHOUT_MANIFEST, Drift.RENDITION_WITHOUT_OBJECT, Drift.MANIFEST_OF_ANOTHER_ORIGINAL}
)


def _pick_stale(findings: Iterable[Finding]) -> list[int]:
    """Return the photos that are to be made again while what is announced of them stays."""
    return [one.what for one in findings if one.drift in _STALE and isinstance(one.what, int)]


def _is_photo(path: str) -> bool:
    """Tell whether SGP keeps a photo of an order there: beside them lie snapshots and thumbnails."""
    parts = PurePosixPath(path).parts
    return len(parts) == 3 and parts[1] != "tmp" and PurePosixPath(path).suffix.lower() in _IMAGES  # noqa: PLR2004
