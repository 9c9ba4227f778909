"""Miniaturas in a folder of this machine, or of a share."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from uuid import uuid4

from thumbnail_worker.errors import StorageError

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
                self._write(target, body)
        except OSError as error:
            raise StorageError(
                f"the miniaturas' folder can't be written: {error.strerror}",
                "check PONTE_WORKER_STORAGE_DIR, its free space, and the service's account",
            ) from error

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

    def _write(self, target: Path, body: bytes) -> None:
        incoming = self._root / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = incoming / uuid4().hex
        try:
            with beside.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _holds(target: Path, body: bytes) -> bool:
    """Tell whether the file is there as it should be: Windows refuses to replace one that is being read."""
    try:
        return target.stat().st_size == len(body) and target.read_bytes() == body
    except FileNotFoundError:
        return False
