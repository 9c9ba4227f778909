"""The photos' queue and the writing of verdicts: claims with a lease, so that no crash loses a photo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import Cursor
from psycopg.rows import TupleRow

from db.motivo import Motivo
from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.errors import BY_LIMIT
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered

LEASE_S = 15.0
"""A claim that is not renewed is another worker's after this."""


@dataclass(frozen=True)
class Claim:
    """A photo that is ours to make, for as long as the lease is renewed."""

    imagem_id: int
    turn: datetime
    """When it was to be made; another time there means that it is to be made again."""
    attempts: int
    strikes: int
    """How often its making killed a process or took too long."""
    landed: bool
    """Whether its row is there: while a landing table is copied anew it may not be."""
    path: str | None
    condemned: str | None
    """The digest of the content that this very recipe could not read."""
    announced: str | None
    """The digest of the content whose miniatura is announced."""


@dataclass(frozen=True)
class Tally:
    """How the photos stand."""

    waiting: int
    oldest_waiting_seconds: float
    """How long the one that was queued first has been waiting, whatever put it off; 0 with none."""
    prontas: int
    falhas: dict[str, int]
    """Photos without a miniatura, by reason."""


class PhotoQueue:
    """`worker.photos` and `vitrine.miniaturas`."""

    def __init__(self, vitrine: JobConnection, recipe: Recipe, *, worker: str) -> None:
        """vitrine: a connection that listens to the photos' channel; worker: a name of its own."""
        self._vitrine = vitrine
        self._worker = worker
        self._codificador = recipe.codificador
        self._recipe = recipe
        self._sql = read_blocks("thumbnail_worker", "photos")

    def claim(self, most: int) -> list[Claim]:
        """Take the newest whose turn it is."""
        given = {
            "worker": self._worker, "most": most, "lease_s": LEASE_S, **self._recipe_names(),
        }  # fmt: skip
        return [Claim(*row) for row in self._run("claim_photos", given).fetchall()]

    def renew(self, claims: Iterable[Claim]) -> None:
        """Keep what we are at for another lease."""
        ids = [claim.imagem_id for claim in claims]
        self._run("renew_claims", {"worker": self._worker, "imagem_ids": ids, "lease_s": LEASE_S})

    def announce(self, claim: Claim, made: Rendered, *, chave: str, digest: str) -> bool:
        """Say that the storage holds the first rendition; False if the claim was lost meanwhile."""
        verdict = {
            "estado": "pronta", "chave": chave, "digest": digest, "bytes": len(made.body),
            "largura": made.largura, "altura": made.altura, "motivo": None,
        }  # fmt: skip
        return self._write(claim, verdict)

    def condemn(self, claim: Claim, motivo: Motivo, *, digest: str | None) -> bool:
        """Say that there will be none of this content; False if the claim was lost meanwhile."""
        nothing = dict.fromkeys(("chave", "bytes", "largura", "altura"))
        codificador = self._recipe.limited if motivo in BY_LIMIT else self._codificador
        verdict = {"estado": "falhou", "digest": digest, "motivo": motivo.value, "codificador": codificador}
        return self._write(claim, nothing | verdict)

    def settle(self, claim: Claim, *, seen: str | None) -> None:
        """Take the photo off the queue, unless its turn has come again meanwhile."""
        given = {"imagem_id": claim.imagem_id, "worker": self._worker, "turn": claim.turn, "seen": seen}
        self._run("settle_photo", given)

    def postpone(self, claim: Claim, seconds: float, *, strike: bool = False) -> None:
        """Give the photo up for a while; strike: it was its own doing, perhaps."""
        given = {
            "imagem_id": claim.imagem_id, "worker": self._worker, "seconds": seconds, "strikes": int(strike),
        }  # fmt: skip
        self._run("postpone_photo", given)

    def hold_up(self, cause: str) -> None:
        """Say what stood in the way of a photo, until one is made or none waits: the watch tells people."""
        self._run("hold_up", {"cause": cause})

    def release(self) -> None:
        """Let every claim go: another worker may go on at once."""
        self._run("release_claims", {"worker": self._worker})

    def sweep(self) -> int:
        """Set right what no trigger saw, and delete what belongs to no photo; return how much it was."""
        names = ("delete_orphans", "forget_photos", "queue_missing")
        swept = sum(self._run(name).rowcount for name in names)
        self._run("free_idle")
        return swept

    def queue_other_recipes(self) -> int:
        """Have made again what another recipe made, and what another decoder could not read."""
        given = {**self._recipe_names(), "recipe": self._recipe.name}
        return self._run("queue_other_recipes", given).rowcount

    def queue_refused(self) -> int:
        """Offer the storage once more what it would not take: its limits are not ours to know."""
        return self._run("queue_refused").rowcount

    def read_condemned(self) -> list[tuple[int, str | None, str | None]]:
        """Return id, path and marks of the photos without a miniatura."""
        return [(row[0], row[1], row[2]) for row in self._run("read_condemned")]

    def put(self, imagem_ids: Iterable[int]) -> int:
        """Have photos made, from anew."""
        return self._run("queue_photos", {"imagem_ids": list(imagem_ids)}).rowcount

    def count(self) -> Tally:
        """Count the photos by what became of them."""
        row = self._run("count_photos").fetchone()
        waiting, oldest, prontas, falhas = row or (0, 0.0, 0, {})
        return Tally(waiting, float(oldest or 0), prontas, falhas or {})

    def wait(self, seconds: float) -> bool:
        """Wait for a photo to arrive; tell whether one did."""
        return bool(list(self._vitrine.connection().notifies(timeout=seconds, stop_after=1)))

    def close(self) -> None:
        """Let go of the connection."""
        self._vitrine.close()

    def _write(self, claim: Claim, verdict: dict[str, object]) -> bool:
        connection = self._vitrine.connection()
        given = {"codificador": self._codificador} | verdict | {"imagem_id": claim.imagem_id}
        with connection.transaction():
            # Locked first: a worker that was asleep for a lease must not overwrite what another one found.
            mine = {"imagem_id": claim.imagem_id, "worker": self._worker}
            if connection.execute(self._sql["hold_claim"], mine).fetchone() is None:
                return False
            connection.execute(self._sql["write_verdict"], given)
        return True

    def _recipe_names(self) -> dict[str, object]:
        return {
            "codificador": self._codificador, "limited": self._recipe.limited, "by_limit": sorted(BY_LIMIT),
        }  # fmt: skip

    def _run(self, name: str, given: Mapping[str, object] | None = None) -> Cursor[TupleRow]:
        return self._vitrine.connection().execute(self._sql[name], given)
