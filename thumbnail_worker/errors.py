"""What can go wrong: a photo that will never be a miniatura, and things that pass."""

from __future__ import annotations

from db.errors import PonteError
from db.motivo import Motivo

BY_LIMIT = frozenset(
    {Motivo.GRANDE_DEMAIS, Motivo.PIXELS_DEMAIS, Motivo.TEMPO_ESGOTADO, Motivo.DECODIFICADOR_CAIU}
)
"""What another limit in the settings may allow."""


class PhotoError(Exception):
    """The photo itself is at fault: a verdict, tried again when its content or our recipe is another."""

    def __init__(self, motivo: Motivo) -> None:
        super().__init__(motivo.value)
        self.motivo = motivo


class HeartbeatRowError(PonteError):
    """There is no row to beat on."""


class MediaRootError(PonteError):
    """The folder of the photos is away: a share that is not mounted, say."""


class PhotosStoppedError(PonteError):
    """What every photo needs is away: the folder of the originals, or the storage."""


class StorageInDoubtError(PonteError):
    """The storage lacks more of what is announced than is lost by itself: another folder, say."""


class StorageError(PonteError):
    """The storage did not take a miniatura."""


class StorageRefusedError(StorageError):
    """The storage will not take this very object; others it may take."""
