"""Originals that were fetched, on the VPS's disk, with a bound; several processes may share the folder."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_IN_USE_S = 5.0
"""A file that was asked for within this is about to be opened; one that is open may go."""
_LEFTOVER_S = 3600.0
_INCOMING = "incoming-"
_KEPT = re.compile(r"[0-9]{1,10}\.[a-z]{3,4}")
_LEFTOVER = re.compile(rf"{_INCOMING}[0-9a-f]{{32}}")


@dataclass(frozen=True)
class OriginalCache:
    """Files named `<imagem_id>.<suffix>`; the longest unused ones go first. Other names are not ours."""

    folder: Path
    max_bytes: int

    def find(self, imagem_id: int) -> Path | None:
        """Return a photo's file, and remember that it was asked for."""
        for path in self.folder.glob(f"{imagem_id}.*"):
            with contextlib.suppress(OSError):
                if _KEPT.fullmatch(path.name) and path.is_file():
                    os.utime(path)
                    return path
        return None

    @contextmanager
    def receive(self) -> Iterator[BinaryIO]:
        """Give a file to write to, gone when the block ends unless `keep` named it. Raise OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f"{_INCOMING}{uuid4().hex}"
        try:
            with beside.open("xb") as file:
                yield file
        finally:
            beside.unlink(missing_ok=True)

    def keep(self, imagem_id: int, suffix: str, received: BinaryIO) -> Path:
        """Give what was received a photo's name, and make room for it. Raise OSError."""
        size = received.tell()
        received.close()
        self._make_room(size)
        return Path(received.name).replace(self.folder / f"{imagem_id}.{suffix}")

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
        """Yield what is kept; remove what a killed process left half fetched."""
        oldest = time.time() - _LEFTOVER_S
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                state = path.stat()
                if _LEFTOVER.fullmatch(path.name) and state.st_mtime < oldest:
                    path.unlink()
                elif _KEPT.fullmatch(path.name) and path.is_file():
                    yield state.st_mtime, state.st_size, path
