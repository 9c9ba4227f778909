"""From a claimed photo to objects in the storage: what one thread does, without the database."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from thumbnail_worker.backlog import Claim
from thumbnail_worker.errors import Motivo, StorageError
from thumbnail_worker.making import Made, Read, Rejected, RootAway, Task, Unchanged, Unreadable
from thumbnail_worker.pool import RenderDiedError, RenderPool
from thumbnail_worker.recipe import Recipe
from thumbnail_worker.render import Rendered
from thumbnail_worker.storage import Storage

_DEATHS = 3
"""So many processes may die of a photo: it may not have been the photo's fault the first time."""


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
            case _:
                return reply

    def _store(self, claim: Claim, made: Made, *, started: float, first: bool) -> Outcome:
        keys = self.recipe.name_keys(claim.imagem_id, made.read.digest)
        try:
            for key, one in zip(keys[:1] if first else keys[1:], made.renditions, strict=True):
                self.storage.put(key, one.body)
        except StorageError as error:
            return Delayed("storage", stops_all=True, fact=error.fact, hint=error.hint)
        size = sum(len(one.body) for one in made.renditions)
        return Stored(made.read, made.renditions[0], keys[0], size, monotonic() - started)


def _judge_death(claim: Claim, read: Read | None) -> Outcome:
    if read is None or claim.attempts + 1 < _DEATHS:
        return Delayed("render_died")
    return Rejected(Motivo.DECODIFICADOR_CAIU, read.digest, read.seen)
