"""How rows, originals, manifest and objects can differ: values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from db.renditions import name_rendition


class Drift(StrEnum):
    """A difference, by the two that differ."""

    ROW_WITHOUT_MANIFEST = "row_without_manifest"
    MANIFEST_WITHOUT_ROW = "manifest_without_row"
    MANIFEST_WITHOUT_OBJECT = "manifest_without_object"
    OBJECT_WITHOUT_MANIFEST = "object_without_manifest"
    MANIFEST_OF_ANOTHER_ORIGINAL = "manifest_of_another_original"
    ROW_WITHOUT_ORIGINAL = "row_without_original"
    ORIGINAL_WITHOUT_ROW = "original_without_row"


HEALED = frozenset(Drift) - {Drift.ROW_WITHOUT_ORIGINAL, Drift.ORIGINAL_WITHOUT_ROW}
"""The others are SGP's own matter: Ponte changes nothing there."""


@dataclass(frozen=True)
class Photo:
    """A photo as the databases know it."""

    imagem_id: int
    path: str | None
    row: bool
    waiting: bool
    """Whether it is in the queue: then nothing else about it is settled."""
    seen: str | None
    estado: str | None
    """None: there is no verdict."""
    chave: str | None
    size: int | None
    """Bytes of the announced rendition."""


@dataclass(frozen=True)
class Finding:
    """One difference; `what` is a photo's id, an object's key or a file's path."""

    drift: Drift
    what: int | str


def compare(
    photos: Iterable[Photo],
    *,
    originals: Mapping[int, str | None],
    files: Iterable[str],
    objects: Mapping[str, int],
    long_edges: tuple[int, ...],
) -> list[Finding]:
    """Return all differences.

    originals: the marks of each photo's file, None where there is none; files: the paths of all image
    files of orders; objects: sizes by key.
    """
    found: list[Finding] = []
    wanted: set[str] = set()
    paths: set[str] = set()
    for photo in photos:
        paths.add((photo.path or "").replace("\\", "/"))
        keys = [] if photo.chave is None else [name_rendition(photo.chave, edge) for edge in long_edges]
        wanted.update([*keys, photo.chave or ""])
        if drift := _judge(photo, originals.get(photo.imagem_id), keys, objects):
            found.append(Finding(drift, photo.imagem_id))
        if photo.row and originals.get(photo.imagem_id) is None:
            found.append(Finding(Drift.ROW_WITHOUT_ORIGINAL, photo.imagem_id))
    found += [Finding(Drift.OBJECT_WITHOUT_MANIFEST, key) for key in sorted(objects.keys() - wanted)]
    return found + [Finding(Drift.ORIGINAL_WITHOUT_ROW, path) for path in sorted(set(files) - paths)]


def _judge(photo: Photo, mark: str | None, keys: list[str], objects: Mapping[str, int]) -> Drift | None:
    if not photo.row:
        return Drift.MANIFEST_WITHOUT_ROW if photo.estado else None
    if photo.waiting:
        return None
    if photo.estado is None:
        return Drift.ROW_WITHOUT_MANIFEST
    if any(key not in objects for key in keys) or (photo.chave and objects[photo.chave] != photo.size):
        return Drift.MANIFEST_WITHOUT_OBJECT
    if mark is not None and mark != photo.seen:
        return Drift.MANIFEST_OF_ANOTHER_ORIGINAL
    return None


def count(findings: Iterable[Finding]) -> dict[Drift, int]:
    """Count differences by kind."""
    return dict(Counter(finding.drift for finding in findings))
