"""Originals that were fetched, on the VPS's disk, with a bound; several processes may share the folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_IN_USE_S = 60.0
"""A file that was asked for within this is being sent, perhaps."""
_INCOMING = "incoming-"


@dataclass(frozen=True)
class OriginalCache:
    """Files named `<imagem_id>.<suffix>`; the longest unused ones go first."""

    folder: Path
    max_bytes: int

    def find(self, imagem_id: int) -> Path | None:
        """Return a photo's file, and remember that it was asked for."""
        for path in self.folder.glob(f"{imagem_id}.*"):
            with contextlib.suppress(OSError):
                os.utime(path)
                return path
        return None

    def keep(self, imagem_id: int, suffix: str, content: bytes) -> Path:
        """Write a photo's file, whole or not at all, and make room for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(content))
        beside = self.folder / f"{_INCOMING}{uuid4().hex}"
        try:
            beside.write_bytes(content)
            return beside.replace(self.folder / f"{imagem_id}.{suffix}")
        finally:
            beside.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        found = sorted(self._list())
        held = sum(bytes_ for _, bytes_, _ in found)
        newest = time.time() - _IN_USE_S
        for used, bytes_, path in found:
            if held + size <= self.max_bytes or used > newest:
                return
            path.unlink(missing_ok=True)
            held -= bytes_

    def _list(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                state = path.stat()
                yield state.st_mtime, state.st_size, path
