"""The filesystem storage: whole files or none, whatever happens in between."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from db.waiting import wait_until
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage import Storage
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = pytest.mark.unit

KEY = "7/0123456789abcdef-640.webp"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return FilesystemStorage(tmp_path / "miniaturas")


def list_files(root: Path) -> list[str]:
    return sorted(str(one.relative_to(root).as_posix()) for one in root.rglob("*") if one.is_file())


def test_put_makes_what_is_missing_and_leaves_nothing_else(storage: Storage, tmp_path: Path) -> None:
    storage.put(KEY, b"webp")
    assert (tmp_path / "miniaturas" / KEY).read_bytes() == b"webp"
    assert list_files(tmp_path / "miniaturas") == [KEY]


def test_put_again_changes_nothing(storage: Storage, tmp_path: Path) -> None:
    storage.put(KEY, b"webp")
    before = (tmp_path / "miniaturas" / KEY).stat()
    storage.put(KEY, b"webp")
    after = (tmp_path / "miniaturas" / KEY).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_put_mends_a_file_that_is_not_what_it_should_be(storage: Storage, tmp_path: Path) -> None:
    storage.put(KEY, b"webp")
    (tmp_path / "miniaturas" / KEY).write_bytes(b"we")
    storage.put(KEY, b"webp")
    assert (tmp_path / "miniaturas" / KEY).read_bytes() == b"webp"


def test_a_write_that_fails_leaves_the_old_file_and_no_leftover(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(KEY, b"old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        storage.put(KEY, b"new")
    assert (tmp_path / "miniaturas" / KEY).read_bytes() == b"old"
    assert list_files(tmp_path / "miniaturas") == [KEY]


def test_a_folder_that_can_not_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        FilesystemStorage(tmp_path / "file").put(KEY, b"webp")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
def test_readers_see_whole_files_only(storage: Storage, tmp_path: Path) -> None:
    bodies = [bytes([one]) * 200_000 for one in range(20)]
    storage.put(KEY, bodies[0])
    done = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            seen.append((tmp_path / "miniaturas" / KEY).read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for body in bodies:
        storage.put(KEY, body)
        there = len(seen)
        assert wait_until(lambda there=there: len(seen) > there + 1, 60), "nobody reads"  # type: ignore[misc]
    done.set()
    reader.join()
    assert [one for one in seen if one not in bodies] == []
    assert set(seen) == set(bodies), "some were never read"


def test_leftovers_of_a_killed_process_are_swept_after_an_hour(tmp_path: Path) -> None:
    incoming = tmp_path / ".incoming"
    incoming.mkdir()
    (incoming / "old").write_bytes(b"half")
    (incoming / "new").write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(incoming / "old", (two_hours_ago, two_hours_ago))
    FilesystemStorage(tmp_path).sweep_leftovers()
    assert list_files(tmp_path) == [".incoming/new"]


def test_sweeping_before_anything_was_stored(tmp_path: Path) -> None:
    FilesystemStorage(tmp_path / "nothing").sweep_leftovers()


@pytest.mark.parametrize("key", ["", "/a", "../a", "7/../a", "7//a", "7\\a", "C:/a", "./a"])
def test_keys_that_are_refused(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        storage.put(key, b"webp")
