"""What is written down of a photo's outcome, and what is done beside the photos; the queue only listens."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from threading import Event
from typing import Any, cast

import pytest

from db.motivo import Motivo
from tests.unit.thumbnail_worker.photos.test_maker import DIGEST, READ, claim
from thumbnail_worker.errors import PhotosStoppedError
from thumbnail_worker.photos import job as miniaturas
from thumbnail_worker.photos import round as round_
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.maker import NOT_LANDED, Delayed, Outcome, Part, PhotoMaker, Stored
from thumbnail_worker.photos.messages import Rejected, Unchanged
from thumbnail_worker.photos.metrics import WorkerMetrics
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.queue import Claim, PhotoQueue, Tally
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.photos.render import Rendered

RENDERED = Rendered(b"webp", 640, 480)
STORED = Stored(READ, RENDERED, "7/dddd-w1-640.webp", 4, 0.5)
BEGAN = claim()


class Queue:
    """Notes what it is told, in order."""

    def __init__(self, *, held: bool = True, waiting: Iterable[Claim] = ()) -> None:
        self.told: list[tuple[object, ...]] = []
        self.condemned: list[tuple[int, str | None, str | None]] = []
        self.delays_s: list[float] = []
        self.asked: list[int] = []
        self.swept = self.others = 0
        self._held = held
        self._waiting = list(waiting)

    def announce(self, one: Claim, made: Rendered, *, chave: str, digest: str) -> bool:
        self.told.append(("announce", one.imagem_id, made, chave, digest))
        return self._held

    def condemn(self, one: Claim, motivo: Motivo, *, digest: str | None) -> bool:
        self.told.append(("condemn", one.imagem_id, motivo, digest))
        return self._held

    def settle(self, one: Claim, *, seen: str | None) -> None:
        self.told.append(("settle", one.imagem_id, seen))

    def postpone(self, one: Claim, seconds: float, *, strike: bool = False) -> None:
        self.told.append(("postpone", one.imagem_id, strike))
        self.delays_s.append(seconds)

    def hold_up(self, cause: str) -> None:
        self.told.append(("hold_up", cause))

    def put(self, ids: Iterable[int]) -> int:
        self.told.append(("put", *ids))
        return 1

    def claim(self, most: int) -> list[Claim]:
        self.asked.append(most)
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        return taken

    def read_condemned(self) -> list[tuple[int, str | None, str | None]]:
        return self.condemned

    def queue_other_recipes(self) -> int:
        self.told.append(("queue_other_recipes",))
        return self.others

    def sweep(self) -> int:
        self.told.append(("sweep",))
        return self.swept

    def count(self) -> Tally:
        return Tally(3, 1.5, 2, {"vazio": 4})

    def renew(self, claims: Iterable[Claim]) -> None:
        self.told.append(("renew", *(one.imagem_id for one in claims)))

    def release(self) -> None:
        self.told.append(("release",))

    def close(self) -> None:
        self.told.append(("close",))


class Maker:
    """A maker whose outcomes are given."""

    processes = 1

    def __init__(self, recipe: Recipe, *outcomes: Outcome) -> None:
        self.recipe = recipe
        self.pool = self
        self.outcomes = list(outcomes)
        self.asked: list[tuple[int, Part]] = []

    def start(self) -> None: ...

    def close(self) -> None: ...

    def make(self, one: Claim, part: Part) -> Outcome:
        self.asked.append((one.imagem_id, part))
        return self.outcomes.pop(0)


class Files:
    """Marks of files, by path."""

    def __init__(self, **marks: str) -> None:
        self._marks = marks

    def look(self, path: str | None) -> str | None:
        return self._marks.get(path or "")


ONE, TWO = Recipe((640,)), Recipe((640, 1600))


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, dict[str, object]]]:
    """Return each event's name, level and fields."""
    return [(one.getMessage(), one.levelno, vars(one)["fields"]) for one in caplog.records]


@pytest.fixture(autouse=True)
def every_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class Work:
    """The job with what it tells, and to whom."""

    def __init__(
        self, recipe: Recipe = ONE, *outcomes: Outcome, queue: Queue | None = None, **marks: str
    ) -> None:
        self.queue = queue or Queue()
        self.maker = Maker(recipe, *outcomes)
        self.metrics = WorkerMetrics()
        self.verdicts: list[int] = []
        self.job = MiniaturasJob(
            cast("PhotoQueue", self.queue),
            cast("PhotoMaker", self.maker),
            cast("Media", Files(**marks)),
            self.metrics,
            on_verdict=lambda: self.verdicts.append(1),
        )

    def record(self, outcome: Outcome, part: Part = Part.FIRST, **changes: Any) -> Claim | None:
        return self.job._verdicts.record(claim(**changes), outcome, part)

    def number(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"ponte_worker_{name}", labels) or 0.0


def test_the_only_rendition_is_announced_and_the_photo_settled(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    assert work.record(replace(STORED, seconds=0.12345)) is None
    assert told(caplog) == [("miniatura_made", logging.INFO, {"imagem_id": 7, "seconds": 0.123})]
    assert work.queue.told == [("announce", 7, RENDERED, STORED.chave, DIGEST), ("settle", 7, "12:34")]
    assert work.verdicts == [1]
    assert work.number("photos_made_total") == 1
    assert work.number("stored_bytes_total") == 4
    assert work.number("photo_seconds_sum") == 0.12345


def test_the_first_of_several_is_announced_and_the_claim_goes_on_with_it() -> None:
    work = Work(TWO)
    given = claim()
    assert work.record(STORED) == replace(given, announced=DIGEST)
    assert work.queue.told == [("announce", 7, RENDERED, STORED.chave, DIGEST)]
    assert work.verdicts == []


@pytest.mark.parametrize("recipe", [ONE, TWO], ids=["one size", "two"])
def test_who_lost_the_claim_meanwhile_goes_on_with_nothing(
    recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(recipe, queue=Queue(held=False))
    assert work.record(STORED) is None
    assert [one[0] for one in work.queue.told] == ["announce"]
    assert told(caplog) == [("claim_lost", logging.WARNING, {"imagem_id": 7})]
    assert work.number("photos_made_total") == 0


def test_the_last_rendition_settles_the_photo() -> None:
    work = Work(TWO)
    assert work.record(STORED, Part.FURTHER, announced=DIGEST) is None
    assert work.queue.told == [("settle", 7, "12:34")]
    assert work.number("stored_bytes_total") == 4
    assert work.number("photos_made_total") == 0
    assert work.verdicts == [1]


def test_a_file_that_was_replaced_between_two_renditions_is_made_again() -> None:
    work = Work(TWO)
    work.record(STORED, Part.FURTHER, announced="e" * 64)
    assert work.queue.told == [("put", 7), ("settle", 7, "12:34")]


REFUSED = Rejected(Motivo.TRUNCADA, DIGEST, "12:34", "take it anew")
SAID = {"imagem_id": 7, "motivo": Motivo.TRUNCADA, "hint": "take it anew"}


@pytest.mark.parametrize("announced", [None, "e" * 64], ids=["nothing", "another content"])
def test_a_bad_photo_is_condemned_and_settled(
    announced: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work()
    work.record(REFUSED, announced=announced)
    assert work.queue.told == [("condemn", 7, Motivo.TRUNCADA, DIGEST), ("settle", 7, "12:34")]
    assert work.number("photos_failed_total", motivo="truncada") == 1
    assert told(caplog) == [("miniatura_failed", logging.WARNING, SAID)]
    assert work.verdicts == [1]


@pytest.mark.parametrize("digest", [None, DIGEST], ids=["file gone", "same content"])
def test_a_miniatura_of_the_same_content_or_of_a_file_now_gone_stays(
    digest: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work()
    work.record(replace(REFUSED, digest=digest), announced=DIGEST)
    assert work.queue.told == [("settle", 7, "12:34")]
    assert work.number("photos_failed_total", motivo="truncada") == 0
    assert told(caplog) == [("miniatura_kept", logging.WARNING, SAID)]


def test_a_verdict_that_came_too_late_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(queue=Queue(held=False))
    work.record(REFUSED)
    assert work.number("photos_failed_total", motivo="truncada") == 0
    assert caplog.records == []


def test_a_content_that_was_condemned_before_is_settled_without_a_word() -> None:
    work = Work()
    work.record(Unchanged(READ))
    assert work.queue.told == [("settle", 7, "12:34")]
    assert work.verdicts == [1]


@pytest.mark.parametrize("strike", [True, False])
def test_what_passes_puts_the_photo_off(strike: bool, caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    work.record(Delayed("render_slow", 5, strike=strike), attempts=3)
    said = {"imagem_id": 7, "cause": "render_slow", "errno": 5, "attempts": 4}
    assert told(caplog) == [("photo_postponed", logging.WARNING, said)]
    assert 4 <= work.queue.delays_s[0] <= 8
    held_up = [] if strike else [("hold_up", "render_slow")]
    assert work.queue.told == [("postpone", 7, strike), *held_up], "the photo's own doing holds up no other"
    assert work.number("photos_postponed_total", cause="render_slow") == 1
    assert work.verdicts == [1]


def test_a_photo_whose_row_is_on_its_way_holds_up_no_other() -> None:
    work = Work()
    work.record(Delayed(NOT_LANDED))
    assert work.queue.told == [("postpone", 7, False)]


def test_who_failed_often_is_left_alone_for_five_minutes_at_most() -> None:
    for attempts in (9, 20, 10**6):
        work = Work()
        work.record(Delayed("render_slow", 5, strike=False), attempts=attempts)
        assert 150 <= work.queue.delays_s[0] <= 300


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(miniaturas, "monotonic", lambda: now[0])
    return now


def test_condemned_photos_are_looked_at_again_each_minute_and_swept_each_quarter(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(same="1:1", other="2:2")
    work.queue.condemned = [(1, "same", "1:1"), (2, "other", "1:1"), (3, "gone", "1:1"), (4, "gone", None)]
    work.queue.swept = 5
    work.job.look_around()
    assert work.queue.told == [("put", 2, 3), ("sweep",)]
    assert told(caplog) == [
        ("photos_changed", logging.INFO, {"queued": 1}),
        ("photos_swept", logging.INFO, {"rows": 5}),
    ]
    assert (work.number("photos_waiting"), work.number("photos_ready")) == (3, 2)
    assert work.number("photos_condemned", motivo="vazio") == 4
    for passed_s, due in ((14.9, []), (0.1, ["sweep"]), (44.9, ["sweep"]), (0.1, ["put"])):
        work.queue.told.clear()
        clock[0] += passed_s
        work.job.look_around()
        assert [one[0] for one in work.queue.told] == due, clock[0] - 100


def test_nothing_is_queued_where_no_file_has_changed() -> None:
    work = Work(same="1:1")
    work.queue.condemned = [(1, "same", "1:1")]
    work.job.look_around()
    assert work.queue.told == [("sweep",)]


def run(work: Work) -> None:
    """Run the job to its end, without what is due beside the photos."""
    work.job._next_sweep = work.job._next_recheck = float("inf")
    work.job.run(Event())


def test_a_round_makes_every_photo_and_further_renditions_of_each() -> None:
    claims = [replace(BEGAN, imagem_id=one) for one in range(1, 6)]
    work = Work(TWO, *[STORED] * 10, queue=Queue(waiting=claims))
    run(work)
    assert sorted(work.maker.asked, key=lambda one: (one[0], one[1].value)) == [
        (one, part) for one in range(1, 6) for part in Part
    ]
    assert [one for one in work.queue.told if one[0] == "queue_other_recipes"] == [("queue_other_recipes",)]
    assert len(work.verdicts) == 5
    assert [one for one in work.queue.asked if not 1 <= one <= 3] == [], "more than can be made at once"
    work.queue.told.clear()
    run(work)
    assert work.queue.told == [], "other recipes are queued once, when the job starts"


def test_what_all_need_ends_the_round_and_says_so() -> None:
    claims = [replace(BEGAN, imagem_id=one) for one in range(1, 9)]
    away = Delayed("storage", stops_all=True, fact="it is away", hint="bring it back")
    work = Work(ONE, *[away] * 8, queue=Queue(waiting=claims))
    with pytest.raises(PhotosStoppedError, match="it is away") as stopped:
        run(work)
    assert stopped.value.hint == "bring it back"
    assert 1 <= len(work.maker.asked) <= 3, "claimed on while nothing could be stored"
    assert [one[0] for one in work.queue.told[1:]] == ["postpone", "hold_up"] * len(work.maker.asked)


def test_what_is_in_the_way_of_one_photo_stops_no_other() -> None:
    claims = [replace(BEGAN, imagem_id=one) for one in (1, 2, 3)]
    work = Work(ONE, Delayed("TimeoutError"), STORED, STORED, queue=Queue(waiting=claims))
    run(work)
    assert len(work.maker.asked) == 3
    assert sorted(one[0] for one in work.queue.told if one[0] in {"postpone", "announce"}) == [
        "announce", "announce", "postpone",
    ]  # fmt: skip


def test_a_closed_job_starts_anew(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    run(work)
    assert told(caplog) == []
    work.queue.others = 4
    work.job.close()
    run(work)
    assert [one[0] for one in work.queue.told] == ["queue_other_recipes", "close", "queue_other_recipes"]
    assert told(caplog) == [("photos_queued_for_recipe", logging.INFO, {"queued": 4})]


def test_what_is_under_way_when_somebody_stops_is_let_go_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(round_, "_GRACE_S", 0.3)
    monkeypatch.setattr(round_, "LEASE_S", 0.0)
    claims = [replace(BEGAN, imagem_id=one) for one in (1, 2, 3, 4)]
    work = Work(ONE, *[STORED] * 4, queue=Queue(waiting=claims))
    stop, ended = Event(), Event()
    make = work.maker.make

    def hang(one: Claim, part: Part) -> Outcome:
        stop.set()
        if one.imagem_id > 1:
            ended.wait(30)
        return make(one, part)

    work.maker.make = hang  # type: ignore[method-assign]
    work.maker.close = ended.set  # type: ignore[method-assign]
    work.job._next_sweep = work.job._next_recheck = float("inf")
    work.job.run(stop)
    assert ended.is_set(), "the processes were left at it"
    assert work.queue.told[-1] == ("release",)
    assert [one for one in work.queue.told if one[0] == "announce"] == [
        ("announce", 1, RENDERED, STORED.chave, DIGEST)
    ]
    renewed = [one[1:] for one in work.queue.told if one[0] == "renew"]
    assert renewed
    assert set(renewed[-1]) == {2, 3}, "what is under way was not kept"
    assert work.queue.claim(9) == [claims[3]], "claimed on after it was to stop"


def test_waiting_ends_as_soon_as_a_photo_arrives_or_somebody_stops() -> None:
    heard: list[float] = []
    work = Work()

    def wait(seconds: float) -> bool:
        heard.append(seconds)
        return len(heard) >= 3

    work.queue.wait = wait  # type: ignore[attr-defined]
    work.job.wait(Event(), 60)
    assert len(heard) == 3
    assert all(0 < one <= 0.2 for one in heard)
    stop = Event()
    stop.set()
    work.job.wait(stop, 60)
    assert len(heard) == 3
    work.job.wait(Event(), 0.3)
    assert len(heard) == 4, "it did not wait, or was told of a photo"
    assert 0 < heard[3] <= 0.2
