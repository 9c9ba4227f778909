"""What a rendering process does: from the path that a row names to renditions, or a word why not.

Reading happens there too: a photo's bytes cross no process, and a share that hangs stops nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from db.motivo import Motivo
from thumbnail_worker.errors import MediaRootError, PhotoError
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.render import Rendered, render


@dataclass(frozen=True)
class PhotoLimits:
    """What one photo may cost, and where photos lie."""

    media_root: Path
    max_bytes: int
    max_pixels: int
    memory_mb: int
    seconds: float

    @property
    def bounds(self) -> str:
        """Tell on what depends which photos are too dear."""
        return f"{self.max_bytes}:{self.max_pixels}:{self.memory_mb}:{self.seconds:g}"


@dataclass(frozen=True)
class Task:
    """A photo to be made."""

    imagem_id: int
    path: str | None
    long_edges: tuple[int, ...]
    condemned: str | None = None
    """The digest of a content that this recipe could not read."""


@dataclass(frozen=True)
class OriginalState:
    """The first half of an answer: the original was read, and this is what it is."""

    digest: str
    seen: str
    size: int


@dataclass(frozen=True)
class Made:
    """The renditions, in the order in which they were asked for."""

    original: OriginalState
    renditions: tuple[Rendered, ...]


@dataclass(frozen=True)
class Rejected:
    """There will be none of this content."""

    motivo: Motivo
    digest: str | None
    seen: str | None
    hint: str = ""
    """What people can do about it, where they can do something."""


@dataclass(frozen=True)
class Unchanged:
    """The content is the one that was condemned before."""

    original: OriginalState


@dataclass(frozen=True)
class Unreadable:
    """The file can't be read just now, though it may be later."""

    error: str
    errno: int | None = None


@dataclass(frozen=True)
class RootAway:
    """The whole folder can't be read."""

    fact: str
    hint: str


Reply = Made | Rejected | Unchanged | Unreadable | RootAway


def read_photo(media: Media, task: Task) -> tuple[OriginalState, bytes] | Reply:
    """Read the photo, or say why not."""
    try:
        found = media.read_original(task.path)
        digest = sha256(found.content).hexdigest()
        return OriginalState(digest, found.seen, len(found.content)), found.content
    except PhotoError as error:
        return Rejected(error.motivo, None, media.look(task.path))
    except MediaRootError as error:
        return RootAway(error.fact, error.hint)
    except OSError as error:
        return Unreadable(type(error).__name__, error.errno)


def make_renditions(task: Task, original: OriginalState, content: bytes) -> Reply:
    """Render what was read."""
    if original.digest == task.condemned:
        return Unchanged(original)
    try:
        return Made(original, tuple(render(content, edge) for edge in task.long_edges))
    except PhotoError as error:
        return Rejected(error.motivo, original.digest, original.seen)
