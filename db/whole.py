"""Files that are there whole or not at all, whenever their writer or the power goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def write_whole(target: Path, *, incoming: Path | None = None, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Give a file to write to; it gets its name when the block ends, and is gone if it fails. Raise OSError.

    incoming: the folder where it lies until then, of the same disk, made if need be, as the target's is; else
    it lies beside the target. What is there under the target's name is replaced, never followed.
    mode: less the umask.
    """
    fresh = (incoming or target.parent) / f"{uuid4().hex}.new"
    if incoming:
        incoming.mkdir(parents=True, exist_ok=True)
    try:
        with open(fresh, "xb", opener=partial(os.open, mode=mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
