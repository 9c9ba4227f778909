"""How rows, originals, manifest and objects can differ: values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from db.renditions import is_ours, name_rendition


class Drift(StrEnum):
    """A difference, by the two that differ."""

    ROW_WITHOUT_MANIFEST = "row_without_manifest"
    MANIFEST_WITHOUT_ROW = "manifest_without_row"
    MANIFEST_WITHOUT_OBJECT = "manifest_without_object"
    RENDITION_WITHOUT_OBJECT = "rendition_without_object"
    """A size beside the announced one lacks, and the original is there to make it of."""
    OBJECT_WITHOUT_MANIFEST = "object_without_manifest"
    MANIFEST_OF_ANOTHER_ORIGINAL = "manifest_of_another_original"
    ROW_WITHOUT_ORIGINAL = "row_without_original"
    ORIGINAL_WITHOUT_ROW = "original_without_row"


HEALED = frozenset(Drift) - {Drift.ROW_WITHOUT_ORIGINAL, Drift.ORIGINAL_WITHOUT_ROW}
"""The others are SGP's own matter: Ponte changes nothing there."""


_A_HANDFUL = 20
_BELIEVED_SHARE = 0.2
"""So many, and so large a share of all, can be lost by themselves; a share that is not mounted loses more."""


@dataclass(frozen=True)
class PhotoState:
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
    chave: str | None = field(default=None, compare=False)
    """The key that the manifest announced when a photo was looked at."""


def compare(
    photos: Iterable[PhotoState],
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
            found.append(Finding(drift, photo.imagem_id, photo.chave))
        if photo.row and originals.get(photo.imagem_id) is None:
            found.append(Finding(Drift.ROW_WITHOUT_ORIGINAL, photo.imagem_id))
    strays = sorted(key for key in objects.keys() - wanted if is_ours(key))
    found += [Finding(Drift.OBJECT_WITHOUT_MANIFEST, key) for key in strays]
    return found + [Finding(Drift.ORIGINAL_WITHOUT_ROW, path) for path in sorted(set(files) - paths)]


def _judge(photo: PhotoState, mark: str | None, keys: list[str], objects: Mapping[str, int]) -> Drift | None:
    if not photo.row:
        return Drift.MANIFEST_WITHOUT_ROW if photo.estado else None
    if photo.waiting:
        return None
    if photo.estado is None:
        return Drift.ROW_WITHOUT_MANIFEST
    if photo.chave is not None and objects.get(photo.chave) != photo.size:
        return Drift.MANIFEST_WITHOUT_OBJECT
    return None if mark is None else _judge_original(photo, mark, keys, objects)


def _judge_original(
    photo: PhotoState, mark: str, keys: list[str], objects: Mapping[str, int]
) -> Drift | None:
    """Tell what there is to make anew of a file that is there."""
    if mark != photo.seen:
        return Drift.MANIFEST_OF_ANOTHER_ORIGINAL
    return Drift.RENDITION_WITHOUT_OBJECT if any(key not in objects for key in keys) else None


def is_unlikely(*, lost: int, announced: int) -> bool:
    """Tell whether so many announced objects lack at once that the storage itself is in doubt."""
    return 0 < announced <= lost or lost > max(_A_HANDFUL, announced * _BELIEVED_SHARE)


def count(findings: Iterable[Finding]) -> dict[Drift, int]:
    """Count differences by kind."""
    return dict(Counter(finding.drift for finding in findings))
