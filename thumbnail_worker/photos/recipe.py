"""What a miniatura is made by: the sizes wanted, our version of the making, the decoder's version."""

from __future__ import annotations

from dataclasses import dataclass

import PIL

from db.renditions import name_key

VERSION = "w1"
"""To be raised when the same photo would give other pixels."""


@dataclass(frozen=True)
class Recipe:
    """long_edges: in the order in which they are made; the first is announced.

    bounds: what one photo may cost (`PhotoLimits.bounds`).
    """

    long_edges: tuple[int, ...]
    bounds: str = ""

    @property
    def name(self) -> str:
        """Tell what a good miniatura depends on."""
        return f"{VERSION}:{','.join(map(str, self.long_edges))}"

    @property
    def codificador(self) -> str:
        """Tell what a verdict depends on: a newer decoder may read what an older one could not."""
        return f"{self.name} pillow-{PIL.__version__}"

    @property
    def limited(self) -> str:
        """Tell what a verdict depends on that a limit led to."""
        return f"{self.codificador} {self.bounds}".rstrip()

    def name_keys(self, imagem_id: int, digest: str) -> list[str]:
        """Return the keys of all renditions, in their order."""
        return [name_key(imagem_id, digest, recipe=VERSION, long_edge=edge) for edge in self.long_edges]
