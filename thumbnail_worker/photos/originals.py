"""The photos' folder: from the path that a row names to the bytes of a file that lies inside.

A path is somebody else's text: with the backslashes of Windows, or leading anywhere.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.motivo import Motivo
from thumbnail_worker.errors import MediaRootError, PhotoError

# What Windows opens as a device, in any folder and with any suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
# A colon is a drive or a stream on Windows; control characters are in no name that SGP gives.
_FORBIDDEN = re.compile(r"[:\x00-\x1f]")
_NO_SUCH_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
# Invalid name, bad path name, name too long, symlink not followed. By its own numbers, because there
# EINVAL also stands for a share that stumbles, which passes.
_NO_SUCH_NAME_WINDOWS = {123, 161, 206, 1921}


@dataclass(frozen=True)
class Original:
    """A photo as SGP keeps it."""

    content: bytes
    seen: str
    """Size and time of change: another content has another mark."""


class Media:
    """SGP's MEDIA_ROOT, for reading."""

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def read(self, path: str | None) -> bytes:
        """Return the file's bytes; raise as `read_original`."""
        return self.read_original(path).content

    def read_original(self, path: str | None) -> Original:
        """Return the file's bytes and marks.

        Raise PhotoError if there never will be any, MediaRootError if the whole folder is away, and
        OSError for what may pass: a sharing violation, a share that stumbles.
        """
        segments = split_path(path)
        try:
            return self._read_file(resolve(self._root, segments))
        except (OSError, PhotoError):
            self._require_root()
            raise

    def look(self, path: str | None) -> str | None:
        """Return the marks that the file has now, without reading it; None where there is none."""
        try:
            return _mark(resolve(self._root, split_path(path)).stat())
        except (OSError, PhotoError):
            self._require_root()
            return None

    def list_paths(self) -> Iterator[str]:
        """Yield the path of each file, as a row would name it."""
        self._require_root()
        for folder, _, names in os.walk(self._root):
            for name in names:
                yield Path(folder, name).relative_to(self._root).as_posix()

    def _read_file(self, found: Path) -> Original:
        state = found.stat()
        if not stat.S_ISREG(state.st_mode):
            raise PhotoError(Motivo.CAMINHO_INVALIDO)
        if state.st_size > self._max_bytes:
            raise PhotoError(Motivo.GRANDE_DEMAIS)
        with found.open("rb") as file:
            content = file.read(self._max_bytes + 1)
        if len(content) > self._max_bytes:
            raise PhotoError(Motivo.GRANDE_DEMAIS)
        if not content:
            raise PhotoError(Motivo.VAZIO)
        return Original(content, _mark(state))

    def _require_root(self) -> None:
        """Raise MediaRootError unless the folder is there and holds something.

        An empty one is a mount point without its share; to take it at its word would condemn every photo.
        """
        try:
            with os.scandir(self._root) as entries:
                present = any(entries)
        except OSError as error:
            raise MediaRootError(
                f"the folder of the photos can't be read: {error.strerror}: {self._root}",
                "check PONTE_WORKER_MEDIA_ROOT, the share, and the service's account",
            ) from error
        if not present:
            raise MediaRootError(
                f"the folder of the photos is empty: {self._root}",
                "check PONTE_WORKER_MEDIA_ROOT and that the share is mounted",
            )


def resolve(root: Path, segments: Sequence[str]) -> Path:
    """Return where the file really lies, symlinks followed. Raise PhotoError if it is nowhere or outside."""
    real_root = root.resolve(strict=True)
    try:
        real = real_root.joinpath(*segments).resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        raise PhotoError(Motivo.ARQUIVO_AUSENTE) from None
    except RuntimeError:  # a loop of symlinks, before Python 3.13
        raise PhotoError(Motivo.CAMINHO_INVALIDO) from None
    except OSError as error:
        if _is_impossible(error):
            raise PhotoError(Motivo.CAMINHO_INVALIDO) from None
        raise
    if not real.is_relative_to(real_root):
        raise PhotoError(Motivo.CAMINHO_INVALIDO)
    return real


def split_path(path: str | None) -> list[str]:
    """Return the segments of a relative path. Raise PhotoError for any that could lead outside."""
    text = (path or "").replace("\\", "/")
    if not text or text.startswith("/") or _FORBIDDEN.search(text):
        raise PhotoError(Motivo.CAMINHO_INVALIDO)
    segments = [segment for segment in text.split("/") if segment]
    if not all(_is_name(segment) for segment in segments):
        raise PhotoError(Motivo.CAMINHO_INVALIDO)
    return segments


def _mark(state: os.stat_result) -> str:
    return f"{state.st_size}@{state.st_mtime_ns}"


def _is_name(segment: str) -> bool:
    # Windows drops trailing dots and blanks, so '.. ' climbs as '..' does.
    return bool(segment.strip(". ")) and not _DEVICE.fullmatch(segment)


def _is_impossible(error: OSError) -> bool:
    """Tell whether no file can have such a name, as opposed to a system that can't answer just now."""
    code: int | None = getattr(error, "winerror", None)
    return error.errno in _NO_SUCH_NAME if code is None else code in _NO_SUCH_NAME_WINDOWS
