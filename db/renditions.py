"""How the storage's keys are named: `812/0f3c…-w1-640.webp`, a photo's content made small by a recipe.

A key names one content for ever. The manifest holds the key of a photo's first rendition; those of the
others follow from it.
"""

from __future__ import annotations

import re

_DIGEST_DIGITS = 16
_DIGITS = 10
_OURS = re.compile(rf"[1-9][0-9]{{0,{_DIGITS - 1}}}/[0-9a-f]{{{_DIGEST_DIGITS}}}-w[0-9]+-[0-9]{{2,4}}\.webp")
_EDGE = re.compile(r"-(\d+)\.webp\Z")
ORIGINAL = "original"
"""The last name of the key under which the VPS serves a photo itself: `812/original`."""


def name_key(imagem_id: int, digest: str, *, recipe: str, long_edge: int) -> str:
    """Return where the storage holds a rendition. digest: the original's SHA-256, in hexadecimal."""
    return f"{imagem_id}/{digest[:_DIGEST_DIGITS]}-{recipe}-{long_edge}.webp"


def name_rendition(chave: str, long_edge: int) -> str:
    """Return the key of another rendition of the same content."""
    return _EDGE.sub(f"-{long_edge}.webp", chave)


def is_ours(chave: str) -> bool:
    """Tell whether only `name_key` names an object so: whatever else lies beside it is somebody else's."""
    return _OURS.fullmatch(chave) is not None


def read_imagem_id(chave: str) -> int | None:
    """Return which photo a key is of, or None if it does not say."""
    first, _, rest = chave.partition("/")
    return int(first) if rest and first.isascii() and first.isdecimal() and len(first) <= _DIGITS else None
