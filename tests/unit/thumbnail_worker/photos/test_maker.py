"""What one thread does with a photo: whose fault something is, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from db.motivo import Motivo
from thumbnail_worker.errors import StorageError, StorageRefusedError
from thumbnail_worker.photos.maker import Delayed, Outcome, Part, PhotoMaker, Stored
from thumbnail_worker.photos.messages import (
    Made,
    OriginalState,
    Rejected,
    Reply,
    RootAway,
    Task,
    Unchanged,
    Unreadable,
)
from thumbnail_worker.photos.pool import RenderDiedError, RenderPool
from thumbnail_worker.photos.queue import Claim
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered
from thumbnail_worker.storage.filesystem import FilesystemStorage

NOWHERE = Path("/dev/null/nowhere")
"""Where nobody can make a folder, root neither."""
DIGEST = "d" * 64
READ = OriginalState(DIGEST, "12:34", 12)
RECIPE = Recipe((640, 1600, 320))
KEYS = RECIPE.name_keys(7, DIGEST)
BODIES = {640: b"small", 1600: b"much larger", 320: b"tiny"}


def claim(**changes: Any) -> Claim:
    usual: dict[str, Any] = {
        "imagem_id": 7, "turn": datetime(2026, 1, 1, tzinfo=UTC), "attempts": 0, "strikes": 0, "landed": True,
        "path": "pedidos/1/a.jpg", "condemned": None, "announced": None,
    }  # fmt: skip
    return Claim(**(usual | changes))


@dataclass
class Pool:
    """Processes that answer what they are told to, and what they were asked."""

    reply: Reply | RenderDiedError | None = None
    asked: list[Task] = field(default_factory=list)

    def make(self, task: Task) -> Reply:
        self.asked.append(task)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply or Made(
            READ, tuple(Rendered(BODIES[one], one, one // 2) for one in task.long_edges)
        )


def make(
    pool: Pool, storage: FilesystemStorage | None = None, *, part: Part = Part.FIRST, **changes: Any
) -> Outcome:
    maker = PhotoMaker(cast("RenderPool", pool), storage or FilesystemStorage(NOWHERE), RECIPE)
    return maker.make(claim(**changes), part)


def test_the_first_rendition_is_made_and_stored_alone(tmp_path: Path) -> None:
    pool, storage = Pool(), FilesystemStorage(tmp_path)
    outcome = make(pool, storage, condemned="c")
    assert pool.asked == [Task(7, "pedidos/1/a.jpg", (640,), "c")]
    assert isinstance(outcome, Stored)
    assert (outcome.original, outcome.chave, outcome.size) == (READ, KEYS[0], len(BODIES[640]))
    assert outcome.first == Rendered(BODIES[640], 640, 320)
    assert 0 <= outcome.seconds < 60
    assert {one.chave: one.size for one in storage.list_objects()} == {KEYS[0]: len(BODIES[640])}
    assert (tmp_path / KEYS[0]).read_bytes() == BODIES[640]


def test_all_the_others_are_made_and_stored_together(tmp_path: Path) -> None:
    pool, storage = Pool(), FilesystemStorage(tmp_path)
    outcome = make(pool, storage, part=Part.FURTHER)
    assert pool.asked == [Task(7, "pedidos/1/a.jpg", (1600, 320))]
    assert isinstance(outcome, Stored)
    assert (outcome.chave, outcome.size) == (KEYS[0], len(BODIES[1600]) + len(BODIES[320]))
    assert outcome.first.body == BODIES[1600]
    assert {one.chave: (tmp_path / one.chave).read_bytes() for one in storage.list_objects()} == {
        KEYS[1]: BODIES[1600],
        KEYS[2]: BODIES[320],
    }


class Broken(FilesystemStorage):
    """Takes nothing, for a reason."""

    def __init__(self, reason: StorageError) -> None:
        super().__init__(NOWHERE)
        self._reason = reason

    def put(self, key: str, body: bytes) -> None:  # noqa: ARG002 - it takes nothing
        raise self._reason


@pytest.mark.parametrize("strikes", [0, 2, 9])
def test_a_storage_that_is_away_is_no_photos_fault_and_stops_all(strikes: int) -> None:
    outcome = make(Pool(), Broken(StorageError("it is away", "bring it back")), strikes=strikes)
    assert outcome == Delayed(
        "storage", stops_all=True, strike=False, fact="it is away", hint="bring it back"
    )


def test_what_the_storage_will_not_take_is_said_of_that_photo_alone() -> None:
    outcome = make(Pool(), Broken(StorageRefusedError("too large", "raise the limit")))
    assert outcome == Rejected(Motivo.RECUSADA, DIGEST, "12:34", "raise the limit")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Unreadable("TimeoutError"), Delayed("TimeoutError")),
        (Unreadable("OSError", 5), Delayed("OSError", 5, stops_all=False, strike=False)),
        (RootAway("gone", "mount it"), Delayed("media_root", stops_all=True, fact="gone", hint="mount it")),
        (Unchanged(READ), Unchanged(READ)),
        (Rejected(Motivo.TRUNCADA, DIGEST, "1:2", "h"), Rejected(Motivo.TRUNCADA, DIGEST, "1:2", "h")),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_the_making_says_is_passed_on(reply: Reply, outcome: Outcome) -> None:
    assert make(Pool(reply), strikes=9) == outcome


STRUCK: dict[str, tuple[RenderDiedError | Reply, str, Rejected]] = {
    "dies": (RenderDiedError(READ), "render_died", Rejected(Motivo.DECODIFICADOR_CAIU, DIGEST, "12:34")),
    "slow": (
        Rejected(Motivo.TEMPO_ESGOTADO, DIGEST, "12:34"),
        "render_slow",
        Rejected(Motivo.TEMPO_ESGOTADO, DIGEST, "12:34"),
    ),
}


@pytest.mark.parametrize("how", STRUCK)
def test_a_photo_is_condemned_at_its_third_strike_and_not_before(how: str) -> None:
    reply, cause, condemned = STRUCK[how]
    for strikes in (0, 1):
        assert make(Pool(reply), strikes=strikes) == Delayed(cause, strike=True)
    for strikes in (2, 3):
        assert make(Pool(reply), strikes=strikes) == condemned


def test_a_process_that_ends_before_the_file_was_read_is_no_strike() -> None:
    assert make(Pool(RenderDiedError(None)), strikes=9) == Delayed("render_died", strike=False)


def test_a_photo_without_its_row_waits_for_it() -> None:
    pool = Pool()
    assert make(pool, landed=False) == Delayed("not_landed")
    assert pool.asked == []
