"""Which photos wait for a verdict, and the writing of verdicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from db.sqlfile import read_blocks
from thumbnail_worker.errors import Motivo
from thumbnail_worker.render import Rendered
from thumbnail_worker.session import Session

_BATCH = 20
"""A photo that arrives while older ones are made waits for as many as this."""


@dataclass(frozen=True)
class Pending:
    """A photo without a verdict."""

    imagem_id: int
    path: str | None


class Backlog:
    """The photos' landing table against `vitrine.miniaturas`."""

    def __init__(self, vitrine: Session) -> None:
        self._vitrine = vitrine
        self._sql = read_blocks("thumbnail_worker", "queries")

    def read_pending(self, *, deferred: Collection[int]) -> list[Pending]:
        """Return the newest that wait, at most a batch, without those put off."""
        given = {"deferred": list(deferred), "most": _BATCH}
        rows = self._vitrine.connection().execute(self._sql["read_pending_imagens"], given)
        return [Pending(*row) for row in rows]

    def record_pronta(self, imagem_id: int, made: Rendered, *, chave: str, digest: str) -> None:
        """Say that the storage holds the miniatura. digest: the original's, in hexadecimal."""
        given = {
            "imagem_id": imagem_id,
            "chave": chave,
            "digest": digest,
            "bytes": len(made.body),
            "largura": made.largura,
            "altura": made.altura,
        }
        self._vitrine.connection().execute(self._sql["insert_pronta"], given)

    def record_falhou(self, imagem_id: int, motivo: Motivo) -> None:
        """Say that there will be none."""
        given = {"imagem_id": imagem_id, "motivo": motivo.value}
        self._vitrine.connection().execute(self._sql["insert_falhou"], given)

    def delete_orphans(self) -> int:
        """Delete the verdicts of photos that are gone and return how many there were."""
        return self._vitrine.connection().execute(self._sql["delete_orphans"]).rowcount

    def close(self) -> None:
        """Let go of the connection."""
        self._vitrine.close()
