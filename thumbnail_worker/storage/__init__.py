"""Where miniaturas are kept: one protocol, a module for each kind."""

from __future__ import annotations

from typing import Protocol

CONTENT_TYPE = "image/webp"


class Storage(Protocol):
    """Holds miniaturas by key, such as `812/0f3c…-640.webp`; a key's content never changes."""

    def put(self, key: str, body: bytes) -> None:
        """Keep `body` under `key`; again and again is the same as once.

        When it returns, the whole of it is there. Raise StorageError for what is worth another try.
        """
