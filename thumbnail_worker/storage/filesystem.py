"""Miniaturas in a folder of this machine, or of a share."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from db.whole import write_whole
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage import StoredObject

_INCOMING = ".incoming"
_LEFTOVER_S = 3600.0


class FilesystemStorage:
    """A folder in which each file is whole from the moment that it has its name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, body: bytes) -> None:
        """Write beside, sync, rename. Raise StorageError if the system refuses, ValueError for a bad key."""
        target = self._locate(key)
        try:
            if not _holds(target, body):
                with write_whole(target, incoming=self._root / _INCOMING) as file:
                    file.write(body)
        except OSError as error:
            raise _describe(error) from error

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield all files but those being written. Raise StorageError if the folder can't be read."""
        try:
            for folder, names, files in os.walk(self._root, onerror=_raise):
                if _INCOMING in names:
                    names.remove(_INCOMING)
                for name in files:
                    path = Path(folder, name)
                    yield StoredObject(path.relative_to(self._root).as_posix(), path.stat().st_size)
        except OSError as error:
            raise _describe(error) from error

    def delete(self, key: str) -> None:
        """Remove a file, and its folder if that is empty then."""
        target = self._locate(key)
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise _describe(error) from error
        with contextlib.suppress(OSError):
            target.parent.rmdir()

    def close(self) -> None:
        """Let go of nothing: files are closed when they are written."""

    def sweep_leftovers(self) -> None:
        """Remove what a killed process left half written more than an hour ago."""
        oldest = time.time() - _LEFTOVER_S
        with contextlib.suppress(OSError):
            for left in (self._root / _INCOMING).iterdir():
                if left.stat().st_mtime < oldest:
                    left.unlink(missing_ok=True)

    def _locate(self, key: str) -> Path:
        segments = key.split("/")
        if any(segment in {"", ".", ".."} or "\\" in segment or ":" in segment for segment in segments):
            raise ValueError("not a storage key")
        return self._root.joinpath(*segments)


def _describe(error: OSError) -> StorageError:
    return StorageError(
        f"the miniaturas' folder can't be used: {error.strerror}",
        "check PONTE_WORKER_STORAGE_DIR, its free space, and the service's account",
    )


def _raise(error: OSError) -> None:
    raise error


def _holds(target: Path, body: bytes) -> bool:
    """Tell whether the file is there as it should be: Windows refuses to replace one that is being read."""
    try:
        return target.stat().st_size == len(body) and target.read_bytes() == body
    except FileNotFoundError:
        return False
