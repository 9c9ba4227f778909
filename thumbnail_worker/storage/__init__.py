"""Where miniaturas are kept: one protocol, a module for each kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

CONTENT_TYPE = "image/webp"


@dataclass(frozen=True)
class StoredObject:
    """One object as the storage lists it."""

    chave: str
    size: int


class Storage(Protocol):
    """Holds miniaturas by key, such as `812/0f3c…-w1-640.webp`; a key's content never changes."""

    def put(self, key: str, body: bytes) -> None:
        """Keep `body` under `key`; again and again is the same as once.

        When it returns, the whole of it is there. Raise StorageError for what is worth another try.
        """

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield all that is kept. Raise StorageError."""

    def delete(self, key: str) -> None:
        """Remove one object; one that is not there is removed. Raise StorageError."""

    def close(self) -> None:
        """Let go of connections, for good."""
