"""Reconciliation: rows, originals, manifest and objects are read, compared, and brought together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from psycopg import Cursor
from psycopg.rows import TupleRow
from rich.progress import Progress

from db.sqlfile import read_blocks
from thumbnail_worker.backlog import Backlog
from thumbnail_worker.drift import Drift, Finding, Photo, compare
from thumbnail_worker.events import log
from thumbnail_worker.media import Media
from thumbnail_worker.recipe import Recipe
from thumbnail_worker.session import Session
from thumbnail_worker.storage import Storage

GRACE_S = 3600.0
"""An object that belongs to nothing is deleted by a run that finds it so this much later again."""
_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})


@dataclass(frozen=True)
class Report:
    """What was found and what was done."""

    findings: tuple[Finding, ...]
    queued: int = 0
    deleted: int = 0


class Reconciler:
    """Reads all four, and heals."""

    def __init__(
        self, vitrine: Session, backlog: Backlog, media: Media, storage: Storage, recipe: Recipe
    ) -> None:
        self._vitrine = vitrine
        self._backlog = backlog
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

    def heal(self, findings: Sequence[Finding], *, grace_s: float = GRACE_S) -> Report:
        """Bring together what can be; what an object's fate depends on is read again just before."""
        by_drift: dict[Drift, list[int | str]] = {}
        for finding in findings:
            by_drift.setdefault(finding.drift, []).append(finding.what)
        self._backlog.sweep()
        lost = _ids(by_drift.get(Drift.MANIFEST_WITHOUT_OBJECT, ()))
        # What can't be fetched is not announced any more; it is again once it has been made.
        self._run("withdraw_verdicts", {"imagem_ids": lost})
        again = [*lost, *_ids(by_drift.get(Drift.MANIFEST_OF_ANOTHER_ORIGINAL, ()))]
        again += _ids(by_drift.get(Drift.ROW_WITHOUT_MANIFEST, ()))
        queued = self._backlog.queue(again)
        deleted = self._delete_leftovers(
            [str(key) for key in by_drift.get(Drift.OBJECT_WITHOUT_MANIFEST, ())], grace_s
        )
        log("photos_reconciled", queued=queued, deleted=deleted, found=len(findings))
        return Report(tuple(findings), queued, deleted)

    def close(self) -> None:
        """Let go of connections."""
        self._vitrine.close()
        self._backlog.close()
        self._storage.close()

    def _delete_leftovers(self, keys: list[str], grace_s: float) -> int:
        """Remember these; delete those that were so before, unless a verdict names them now."""
        self._run("forget_leftovers", {"keys": keys})
        self._run("remember_leftovers", {"keys": keys})
        deleted = 0
        for (key,) in self._run("read_leftovers", {"grace_s": grace_s}).fetchall():
            with self._vitrine.connection().transaction():
                deleted += self._delete_leftover(key)
        return deleted

    def _delete_leftover(self, key: str) -> bool:
        """Delete an object while no worker can be at its photo; tell whether it was one to delete."""
        self._run("hold_photo", {"key": key})
        given = {"key": key, "long_edges": [str(edge) for edge in self._recipe.long_edges]}
        if self._run("is_leftover", given).fetchone() is None:
            return False
        self._storage.delete(key)
        self._run("forget_leftover", {"key": key})
        return True

    def _read_photos(self) -> list[Photo]:
        return [Photo(*row) for row in self._run("read_photos", {}).fetchall()]

    def _run(self, name: str, given: Mapping[str, object]) -> Cursor[TupleRow]:
        return self._vitrine.connection().execute(self._sql[name], given)


def _ids(found: Iterable[int | str]) -> list[int]:
    return [one for one in found if isinstance(one, int)]


def _is_photo(path: str) -> bool:
    """Tell whether SGP keeps a photo of an order there: beside them lie snapshots and thumbnails."""
    parts = PurePosixPath(path).parts
    return len(parts) == 3 and parts[1] != "tmp" and PurePosixPath(path).suffix.lower() in _IMAGES  # noqa: PLR2004
