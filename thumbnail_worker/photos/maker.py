"""From a claimed photo to objects in the storage: what one thread does, without the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import TypeVar

from db.motivo import Motivo
from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.photos.messages import (
    Made,
    OriginalState,
    Rejected,
    RootAway,
    Task,
    Unchanged,
    Unreadable,
)
from thumbnail_worker.photos.pool import RenderDiedError, RenderPool
from thumbnail_worker.photos.queue import Claim
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered
from thumbnail_worker.storage import Storage

Value = TypeVar("Value")

NOT_LANDED = "not_landed"
"""The photo's row is on its way: nothing that people could mend."""
_STRIKES = 3
"""So many times a process dies of a photo or takes too long: once may not have been the photo's fault."""


class Part(Enum):
    """Which of a photo's renditions: the first is announced before the others are made."""

    FIRST = auto()
    FURTHER = auto()

    def choose(self, of_each: Sequence[Value]) -> tuple[Value, ...]:
        """Return those of a thing a rendition that are the part's."""
        return tuple(of_each[:1] if self is Part.FIRST else of_each[1:])


@dataclass(frozen=True)
class Stored:
    """The storage has the renditions that were asked for; `first` is the first of them."""

    original: OriginalState
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
class PhotoMaker:
    """The rendering processes and the storage."""

    pool: RenderPool
    storage: Storage
    recipe: Recipe

    def make(self, claim: Claim, part: Part) -> Outcome:
        """Make and store a part of a photo's renditions."""
        if not claim.landed:
            return Delayed(NOT_LANDED)
        started = monotonic()
        edges = part.choose(self.recipe.long_edges)
        try:
            reply = self.pool.make(Task(claim.imagem_id, claim.path, edges, claim.condemned))
        except RenderDiedError as error:
            return _judge_death(claim, error.original)
        if isinstance(reply, Made):
            return self._store(claim, reply, part, started=started)
        return _judge(claim, reply)

    def _store(self, claim: Claim, made: Made, part: Part, *, started: float) -> Outcome:
        keys = self.recipe.name_keys(claim.imagem_id, made.original.digest)
        try:
            for key, one in zip(part.choose(keys), made.renditions, strict=True):
                self.storage.put(key, one.body)
        except StorageRefusedError as error:
            return Rejected(Motivo.RECUSADA, made.original.digest, made.original.seen, error.hint)
        except StorageError as error:
            return Delayed("storage", stops_all=True, fact=error.fact, hint=error.hint)
        size = sum(len(one.body) for one in made.renditions)
        return Stored(made.original, made.renditions[0], keys[0], size, monotonic() - started)


def _judge(claim: Claim, reply: Rejected | Unchanged | Unreadable | RootAway) -> Outcome:
    match reply:
        case Unreadable():
            return Delayed(reply.error, reply.errno)
        case RootAway():
            return Delayed("media_root", stops_all=True, fact=reply.fact, hint=reply.hint)
        case Rejected(motivo=Motivo.TEMPO_ESGOTADO):
            return _judge_strike(claim, reply, cause="render_slow")
        case Rejected() | Unchanged():
            return reply


def _judge_death(claim: Claim, original: OriginalState | None) -> Outcome:
    if original is None:
        return Delayed("render_died")
    refused = Rejected(Motivo.DECODIFICADOR_CAIU, original.digest, original.seen)
    return _judge_strike(claim, refused, cause="render_died")


def _judge_strike(claim: Claim, refused: Rejected, *, cause: str) -> Outcome:
    return Delayed(cause, strike=True) if claim.strikes + 1 < _STRIKES else refused
