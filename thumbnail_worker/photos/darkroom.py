"""From a claimed photo to objects in the storage: what one thread does, without the database."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from thumbnail_worker.errors import Motivo, StorageError, StorageRefusedError
from thumbnail_worker.photos.messages import Made, Read, Rejected, RootAway, Task, Unchanged, Unreadable
from thumbnail_worker.photos.pool import RenderDiedError, RenderPool
from thumbnail_worker.photos.queue import Claim
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered
from thumbnail_worker.storage import Storage

_STRIKES = 3
"""So many times a process dies of a photo or takes too long: once may not have been the photo's fault."""


@dataclass(frozen=True)
class Stored:
    """The storage has the renditions that were asked for; `first` is the first of them."""

    read: Read
    first: Rendered
    chave: str
    size: int
    seconds: float


@dataclass(frozen=True)
class Delayed:
    """Something that passes is in the way.

    stops_all: it is in the way of every other photo too; fact and hint tell people what it is.
    """

    cause: str
    errno: int | None = None
    stops_all: bool = False
    strike: bool = False
    """Whether it was the photo's own doing, perhaps."""
    fact: str = ""
    hint: str = ""


Outcome = Stored | Rejected | Unchanged | Delayed


@dataclass(frozen=True)
class Darkroom:
    """The rendering processes and the storage."""

    pool: RenderPool
    storage: Storage
    recipe: Recipe

    def develop(self, claim: Claim, *, first: bool) -> Outcome:
        """Make and store the first rendition, or all the others."""
        started = monotonic()
        edges = self.recipe.long_edges[:1] if first else self.recipe.long_edges[1:]
        try:
            reply = self.pool.make(Task(claim.imagem_id, claim.path, edges, claim.condemned))
        except RenderDiedError as error:
            return _judge_death(claim, error.read)
        match reply:
            case Made():
                return self._store(claim, reply, started=started, first=first)
            case Unreadable():
                return Delayed(reply.error, reply.errno)
            case RootAway():
                return Delayed("media_root", stops_all=True, fact=reply.fact, hint=reply.hint)
            case Rejected(motivo=Motivo.TEMPO_ESGOTADO):
                return _judge_strike(claim, reply, cause="render_slow")
            case _:
                return reply

    def _store(self, claim: Claim, made: Made, *, started: float, first: bool) -> Outcome:
        keys = self.recipe.name_keys(claim.imagem_id, made.read.digest)
        try:
            for key, one in zip(keys[:1] if first else keys[1:], made.renditions, strict=True):
                self.storage.put(key, one.body)
        except StorageRefusedError as error:
            return Rejected(Motivo.RECUSADA, made.read.digest, made.read.seen, error.hint)
        except StorageError as error:
            return Delayed("storage", stops_all=True, fact=error.fact, hint=error.hint)
        size = sum(len(one.body) for one in made.renditions)
        return Stored(made.read, made.renditions[0], keys[0], size, monotonic() - started)


def _judge_death(claim: Claim, read: Read | None) -> Outcome:
    if read is None:
        return Delayed("render_died")
    refused = Rejected(Motivo.DECODIFICADOR_CAIU, read.digest, read.seen)
    return _judge_strike(claim, refused, cause="render_died")


def _judge_strike(claim: Claim, refused: Rejected, *, cause: str) -> Outcome:
    return Delayed(cause, strike=True) if claim.strikes + 1 < _STRIKES else refused
