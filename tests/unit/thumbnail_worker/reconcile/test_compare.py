"""How rows, originals, manifest and objects can differ: each difference by itself, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from thumbnail_worker.reconcile.compare import HEALED, Drift, Finding, PhotoState, compare, count, is_unlikely

DIGEST = "0123456789abcdef"
KEY, LARGE = f"7/{DIGEST}-w1-640.webp", f"7/{DIGEST}-w1-1600.webp"
GOOD = PhotoState(7, "p\\a.jpg", row=True, waiting=False, seen="1:2", estado="pronta", chave=KEY, size=5)
OBJECTS = {KEY: 5, LARGE: 9}


def differ(
    *photos: PhotoState,
    mark: str | None = "1:2",
    objects: Mapping[str, int] = OBJECTS,
    files: tuple[str, ...] = ("p/a.jpg",),
) -> list[tuple[Drift, int | str]]:
    found = compare(photos, originals={7: mark}, files=files, objects=objects, long_edges=(640, 1600))
    return [(one.drift, one.what) for one in found]


def test_what_agrees_differs_in_nothing() -> None:
    assert differ(GOOD) == []
    condemned = replace(GOOD, estado="falhou", chave=None, size=None)
    assert differ(condemned, objects={}) == []
    assert compare([], originals={}, files=(), objects={}, long_edges=()) == []


CASES: dict[str, tuple[dict[str, Any], str | None, Mapping[str, int], list[tuple[Drift, int | str]]]] = {
    "no verdict": (
        {"estado": None, "chave": None, "size": None},
        "1:2",
        {},
        [(Drift.ROW_WITHOUT_MANIFEST, 7)],
    ),
    "object gone": ({}, "1:2", {LARGE: 9}, [(Drift.MANIFEST_WITHOUT_OBJECT, 7)]),
    "object of another size": ({}, "1:2", {KEY: 6, LARGE: 9}, [(Drift.MANIFEST_WITHOUT_OBJECT, 7)]),
    "another size is missing": ({}, "1:2", {KEY: 5}, [(Drift.RENDITION_WITHOUT_OBJECT, 7)]),
    "another original": ({}, "3:4", OBJECTS, [(Drift.MANIFEST_OF_ANOTHER_ORIGINAL, 7)]),
    "another original and a size is missing": (
        {},
        "3:4",
        {KEY: 5},
        [(Drift.MANIFEST_OF_ANOTHER_ORIGINAL, 7)],
    ),
    "original gone": ({}, None, OBJECTS, [(Drift.ROW_WITHOUT_ORIGINAL, 7)]),
    "original gone and a size too": ({}, None, {KEY: 5}, [(Drift.ROW_WITHOUT_ORIGINAL, 7)]),
    "original and object gone": (
        {},
        None,
        {LARGE: 9},
        [(Drift.MANIFEST_WITHOUT_OBJECT, 7), (Drift.ROW_WITHOUT_ORIGINAL, 7)],
    ),
    "no row": ({"row": False}, "1:2", OBJECTS, [(Drift.MANIFEST_WITHOUT_ROW, 7)]),
    "no row and no verdict": ({"row": False, "estado": None}, None, OBJECTS, []),
    "waits": ({"waiting": True}, "3:4", {}, []),
    "waits without its original": ({"waiting": True}, None, {}, [(Drift.ROW_WITHOUT_ORIGINAL, 7)]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_difference_is_named(case: str) -> None:
    change, mark, objects, found = CASES[case]
    assert differ(replace(GOOD, **change), mark=mark, objects=objects) == found


def test_only_an_object_of_ours_that_no_manifest_wants_is_a_stray() -> None:
    strays = (f"9/{DIGEST}-w1-640.webp", f"7/{DIGEST}-w1-320.webp")
    objects = {**OBJECTS, **dict.fromkeys((*strays, "somebodys.webp", "9/x.webp"), 1)}
    assert differ(GOOD, objects=objects) == [(Drift.OBJECT_WITHOUT_MANIFEST, key) for key in sorted(strays)]


def test_a_file_that_no_row_names_is_told_in_the_order_of_paths() -> None:
    no_path = replace(GOOD, path=None)
    assert differ(GOOD, files=("p/c.jpg", "p/a.jpg", "p/b.jpg")) == [
        (Drift.ORIGINAL_WITHOUT_ROW, "p/b.jpg"),
        (Drift.ORIGINAL_WITHOUT_ROW, "p/c.jpg"),
    ]
    assert differ(no_path) == [(Drift.ORIGINAL_WITHOUT_ROW, "p/a.jpg")]


def test_a_finding_knows_the_key_that_was_announced() -> None:
    [found] = compare([GOOD], originals={7: "1:2"}, files=("p/a.jpg",), objects={}, long_edges=(640,))
    assert found == Finding(Drift.MANIFEST_WITHOUT_OBJECT, 7)
    assert found.chave == KEY


@pytest.mark.parametrize(
    ("lost", "announced", "unlikely"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (19, 20, False),
        (20, 20, True),
        (20, 21, False),
        (21, 22, True),
        (20, 100, False),
        (21, 100, True),
        (200, 1000, False),
        (201, 1000, True),
        (5, 0, False),
        (21, 0, True),
    ],
)
def test_a_storage_that_lacks_all_or_very_much_is_in_doubt(lost: int, announced: int, unlikely: bool) -> None:
    assert is_unlikely(lost=lost, announced=announced) is unlikely


def test_differences_are_counted_by_kind() -> None:
    findings = [Finding(Drift.ROW_WITHOUT_MANIFEST, 1), Finding(Drift.ROW_WITHOUT_MANIFEST, 2)]
    findings.append(Finding(Drift.ORIGINAL_WITHOUT_ROW, "a"))
    assert count(findings) == {Drift.ROW_WITHOUT_MANIFEST: 2, Drift.ORIGINAL_WITHOUT_ROW: 1}
    assert count([]) == {}


def test_what_is_sgps_own_is_not_healed() -> None:
    assert set(Drift) - HEALED == {Drift.ROW_WITHOUT_ORIGINAL, Drift.ORIGINAL_WITHOUT_ROW}
