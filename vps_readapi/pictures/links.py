"""Links to miniaturas: an `<img>` sends no header, so the link itself carries the permission.

A link is the same as long as the key is, so phones and proxies keep the picture.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from db.renditions import ORIGINAL

PATH = "/miniaturas"
MEDIA_TYPES = {
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".avif": "image/avif",
}
"""By suffix; not left to the system's own table, which often lacks WebP."""

_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_CHAVE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_SIGNATURE_BYTES = 16


class Remote(Protocol):
    """A storage that phones are sent to."""

    def locate(self, chave: str) -> str:
        """Return an object's address, the same all day."""


@dataclass(frozen=True)
class MediaLinks:
    """Makes and checks the links.

    base: the API's public address; folder: where the miniaturas lie, None if they are not served here;
    remote: where else they are; live: whether a photo itself can be had from SGP.
    """

    base: str
    key: bytes
    folder: Path | None
    remote: Remote | None = None
    live: bool = False

    def link(self, chave: str | None) -> str | None:
        """Return the absolute address of a miniatura, or None if it can't be served."""
        if chave is None or not is_chave(chave):
            return None
        if not (self.live if chave.endswith(f"/{ORIGINAL}") else self.folder or self.remote):
            return None
        return f"{self.base.rstrip('/')}{PATH}/{chave}?s={self.sign(chave)}"

    def sign(self, chave: str) -> str:
        """Return the signature of one key, URL-safe."""
        digest = hmac.digest(self.key, b"miniatura:" + chave.encode(), sha256)
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).rstrip(b"=").decode()

    def is_signed(self, chave: str, signature: str) -> bool:
        """Tell whether the signature is this key's."""
        return hmac.compare_digest(self.sign(chave).encode(), signature.encode())

    def find(self, chave: str) -> Path | None:
        """Return the file of a key, or None; a file outside the folder is never returned."""
        if self.folder is None or not is_chave(chave):
            return None
        root = self.folder.resolve()
        path = root.joinpath(chave).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None

    def locate(self, chave: str) -> str | None:
        """Return where else a miniatura can be fetched, or None."""
        return None if self.remote is None or not is_chave(chave) else self.remote.locate(chave)


def is_chave(text: str) -> bool:
    """Tell whether a key is plain: names parted by `/`, none of which starts with a dot."""
    return _CHAVE.fullmatch(text) is not None
