"""The folder that the ingest writes: each file is whole from the moment that it has its name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from db.whole import write_whole
from vps_readapi.pictures.links import is_chave

_INCOMING = ".incoming"
_LEFTOVER_S = 3600.0


@dataclass(frozen=True)
class MiniaturaFolder:
    """Miniaturas by key; keys have been checked."""

    root: Path

    def prepare(self) -> None:
        """Make the folder for what arrives. Raise OSError where nothing can be written."""
        (self.root / _INCOMING).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def receive(self, chave: str) -> Iterator[BinaryIO]:
        """Give a file to write to; it gets its name when the block ends, and is gone if it fails."""
        with write_whole(self.root / chave, incoming=self.root / _INCOMING) as file:
            yield file

    def delete(self, chave: str) -> None:
        """Remove a file, and its folder if that is empty then."""
        target = self.root / chave
        target.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            target.parent.rmdir()

    def list_after(self, chave: str, most: int) -> list[tuple[str, int]]:
        """Return keys and sizes in the order of keys, from the first one after `chave`.

        Raise OSError if the folder is not there. Names that could not be asked for are left out.
        """
        self.root.stat()
        found = sorted(
            one
            for path in self.root.glob("*/**/*")
            if _INCOMING not in path.parts and path.is_file()
            for one in [path.relative_to(self.root).as_posix()]
            if one > chave and is_chave(one)
        )
        return [(one, (self.root / one).stat().st_size) for one in found[:most]]

    def sweep_leftovers(self) -> None:
        """Remove what a killed process left half written more than an hour ago."""
        oldest = time.time() - _LEFTOVER_S
        with contextlib.suppress(OSError):
            for left in (self.root / _INCOMING).iterdir():
                if left.stat().st_mtime < oldest:
                    left.unlink(missing_ok=True)
