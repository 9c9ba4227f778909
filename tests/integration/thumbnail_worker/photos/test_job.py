"""The worker's photos on a real road: queue, claims, verdicts, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from threading import Event, Thread

import pytest

from db.contract import Motivo
from db.waiting import wait_until
from infra.devstack.seed.odd_images import ODD_IMAGES
from tests.fix_clusters import MEDIA
from tests.fix_photos import Shop, draw_jpeg
from tests.fix_road import Road
from thumbnail_worker.errors import PhotosStoppedError, StorageError, StorageRefusedError
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.messages import Made, Rejected, Reply, Task
from thumbnail_worker.photos.pool import RenderDiedError
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.storage import StoredObject
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

GOOD = 4
REASONS = {
    "file_missing": Motivo.ARQUIVO_AUSENTE,
    "file_missing_backslash": Motivo.ARQUIVO_AUSENTE,
    "zero_bytes": Motivo.VAZIO,
    "text_named_jpg": Motivo.NAO_E_IMAGEM,
    "jpeg_truncated": Motivo.TRUNCADA,
    "pdf": Motivo.NAO_E_IMAGEM,
    "svg_with_script": Motivo.NAO_E_IMAGEM,
    "heic": Motivo.NAO_E_IMAGEM,
    "header_bomb": Motivo.PIXELS_DEMAIS,
    "path_empty": Motivo.CAMINHO_INVALIDO,
    "path_traversal": Motivo.CAMINHO_INVALIDO,
    "path_traversal_backslash": Motivo.CAMINHO_INVALIDO,
    "path_absolute_windows": Motivo.CAMINHO_INVALIDO,
    "path_absolute_posix": Motivo.CAMINHO_INVALIDO,
    "path_share": Motivo.CAMINHO_INVALIDO,
    "path_device": Motivo.CAMINHO_INVALIDO,
    "path_is_snapshot": Motivo.NAO_E_IMAGEM,
}


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose seed's photos have all been made."""
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    assert (MEDIA["root"] / "pedidos" / "1" / "pedido-1.json").is_file()
    one.make_all()
    return one


def test_every_photo_of_the_seed_has_its_verdict(shop: Shop) -> None:
    rows = shop.road.run("vitrine", "SELECT imagem_id, estado, motivo, chave FROM vitrine.miniaturas")
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == GOOD + len(ODD_IMAGES)
    odd = {one.name: found[GOOD + place] for place, one in enumerate(ODD_IMAGES, start=1)}
    assert {name: motivo for name, (_, motivo, _) in odd.items() if motivo} == REASONS
    for estado, _, chave in found.values():
        assert (estado == "pronta") is (chave is not None and (shop.folder / str(chave)).is_file())
    assert shop.road.run("vitrine", "SELECT count(*) FROM worker.photos WHERE next_at IS NOT NULL") == [(0,)]


def test_a_verdict_tells_content_and_recipe_and_comes_to_the_vps(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(1))
    shop.wait_queued(imagem_id)
    shop.make_all()
    query = "SELECT estado, chave, digest, bytes, codificador FROM vitrine.miniaturas WHERE imagem_id = %s"
    shop.road.wait(lambda: bool(shop.road.run("vps", query, imagem_id)), "the verdict on the VPS")
    [(estado, chave, digest, size, codificador)] = shop.road.run("vps", query, imagem_id)
    assert estado == "pronta"
    assert chave == f"{imagem_id}/{str(digest)[:16]}-w1-640.webp"
    assert (shop.folder / str(chave)).stat().st_size == size
    assert str(codificador).startswith("w1:640 pillow-")


def test_an_arriving_photo_wakes_whoever_waits(shop: Shop) -> None:
    queue = shop.queue()
    assert queue.count().waiting == 0
    heard: list[bool] = []
    waiting = Thread(target=lambda: heard.append(queue.wait(60)))
    waiting.start()
    imagem_id = shop.add(draw_jpeg(2))
    waiting.join(60)
    assert heard == [True]
    [claim] = queue.claim(5)
    assert claim.imagem_id == imagem_id
    queue.release()
    queue.close()
    shop.make_all()


def test_the_newest_come_first_and_nobody_gets_anothers(shop: Shop) -> None:
    ids = [shop.add(draw_jpeg(number)) for number in range(5)]
    shop.wait_queued(*ids)
    one, other = shop.queue(), shop.queue()
    assert [claim.imagem_id for claim in one.claim(2)] == [ids[4], ids[3]]
    assert [claim.imagem_id for claim in other.claim(10)] == [ids[2], ids[1], ids[0]]
    assert one.claim(10) == []
    for queue in (one, other):
        queue.release()
        queue.close()
    shop.make_all()


def test_a_worker_that_slept_through_its_lease_writes_nothing(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(6))
    shop.wait_queued(imagem_id)
    sleeper, other = shop.queue(), shop.queue()
    [old] = sleeper.claim(1)
    shop.road.run("vitrine", "UPDATE worker.photos SET claimed_until = now() WHERE imagem_id = %s", imagem_id)
    [new] = other.claim(1)
    assert not sleeper.condemn(old, Motivo.TRUNCADA, digest="aa")
    sleeper.settle(old, seen=None)
    assert other.condemn(new, Motivo.VAZIO, digest="bb")
    other.settle(new, seen=None)
    assert shop.verdict(imagem_id) == ("falhou", "vazio", None, "bb")
    sleeper.close()
    other.close()


def test_a_turn_that_comes_again_meanwhile_is_not_lost(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(7))
    shop.wait_queued(imagem_id)
    queue = shop.queue()
    [claim] = queue.claim(1)
    queue.put([imagem_id])
    queue.settle(claim, seen=None)
    assert [one.imagem_id for one in queue.claim(1)] == [imagem_id]
    queue.release()
    queue.close()
    shop.make_all()


def test_a_bad_photo_is_tried_again_when_its_file_is_another(shop: Shop) -> None:
    imagem_id = shop.add(b"isto nao e uma imagem", path="pedidos/1/tarde.jpg")
    shop.wait_queued(imagem_id)
    shop.make_all()
    assert shop.verdict(imagem_id) is not None
    shop.make_all()
    tries = "SELECT xmin::text FROM vitrine.miniaturas WHERE imagem_id = %s"
    before = shop.road.run("vitrine", tries, imagem_id)
    shop.make_all()
    assert shop.road.run("vitrine", tries, imagem_id) == before, "judged again without a reason"
    (shop.media_root / "pedidos/1/tarde.jpg").write_bytes(draw_jpeg(8))
    shop.make_all()
    verdict = shop.verdict(imagem_id)
    assert verdict is not None
    assert verdict[:2] == ("pronta", None)


def test_a_file_that_comes_late_is_found(shop: Shop) -> None:
    imagem_id = shop.add(None, path="pedidos/1/falta.jpg")
    shop.wait_queued(imagem_id)
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[:2] == ("falhou", "arquivo_ausente")
    (shop.media_root / "pedidos/1/falta.jpg").write_bytes(draw_jpeg(9))
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[:2] == ("pronta", None)


def test_a_miniatura_outlives_its_file(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(10), path="pedidos/1/some.jpg")
    shop.wait_queued(imagem_id)
    shop.make_all()
    before = shop.verdict(imagem_id)
    (shop.media_root / "pedidos/1/some.jpg").unlink()
    queue = shop.queue()
    queue.put([imagem_id])
    queue.close()
    shop.make_all()
    assert shop.verdict(imagem_id) == before


def test_further_renditions_come_after_the_announced_one(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(11, (2000, 1500)))
    shop.wait_queued(imagem_id)
    kept: list[str] = []
    seen: list[bool] = []

    class Watched(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:
            kept.append(key)
            seen.append(shop.verdict(imagem_id) is not None)
            super().put(key, body)

    recipe = Recipe((640, 1600))
    with shop.job(storage=Watched(shop.folder), recipe=recipe) as job:
        job._queue.queue_other_recipes = lambda: 0  # type: ignore[method-assign]  # the others' turn is below
        job.run(Event())
    verdict = shop.verdict(imagem_id)
    assert verdict is not None
    assert [key.rpartition("-")[2] for key in kept] == ["640.webp", "1600.webp"]
    assert seen == [False, True]
    assert str(verdict[2]).endswith("-640.webp")


def test_a_file_that_is_replaced_between_two_renditions_is_made_again(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(12), path="pedidos/1/trocada.jpg")
    shop.wait_queued(imagem_id)

    class Replaced(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:
            super().put(key, body)
            if key.endswith("-640.webp"):
                (shop.media_root / "pedidos/1/trocada.jpg").write_bytes(draw_jpeg(13))

    with shop.job(storage=Replaced(shop.folder), recipe=Recipe((640, 1600))) as job:
        leave_recipes(job)
        job.run(Event())
    verdict = shop.verdict(imagem_id)
    assert verdict is not None
    assert verdict[3] == sha256(draw_jpeg(13)).hexdigest(), "the first rendition is of another picture"
    for edge in (640, 1600):
        assert (shop.folder / str(verdict[2]).replace("-640.", f"-{edge}.")).is_file()
    shop.make_all()


def test_another_recipe_makes_all_of_them_again(shop: Shop) -> None:
    shop.make_all()
    recipes = (
        "SELECT split_part(codificador, ' ', 1), count(*) FROM vitrine.miniaturas WHERE estado = 'pronta'"
    )
    with shop.job(recipe=Recipe((320,)), processes=2) as job:
        job.run(Event())
    made: dict[object, object] = dict(shop.road.run("vitrine", recipes + " GROUP BY 1"))  # type: ignore[arg-type]
    assert made.pop("w1:640") == 1, "the one whose file is gone"
    assert made.keys() == {"w1:320"}
    shop.make_all()


def test_a_storage_that_is_away_loses_no_photo_and_no_others_wait_for_it(shop: Shop) -> None:
    class Away(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:  # noqa: ARG002 - it takes nothing
            raise StorageError("it is away", "bring it back")

    ids = [shop.add(draw_jpeg(20 + number)) for number in range(3)]
    shop.wait_queued(*ids)
    with shop.job(storage=Away(shop.folder)) as job, pytest.raises(PhotosStoppedError, match="it is away"):
        job.run(Event())
    assert [shop.verdict(one) for one in ids] == [None] * 3
    struck = "SELECT max(strikes), max(attempts) FROM worker.photos WHERE imagem_id = ANY (%s)"
    assert shop.road.run("vitrine", struck, ids) == [(0, 1)], "held against the photos"
    shop.road.run("vitrine", "UPDATE worker.photos SET next_at = now() WHERE next_at IS NOT NULL")
    shop.make_all()
    assert {(shop.verdict(one) or ())[:1] for one in ids} == {("pronta",)}


def test_a_clean_stop_in_mid_image_leaves_the_photo_to_the_next(shop: Shop) -> None:
    ids = [shop.add(draw_jpeg(30 + number)) for number in range(8)]
    shop.wait_queued(*ids)
    stop = Event()

    class Slow(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:
            stop.set()
            super().put(key, body)

    with shop.job(storage=Slow(shop.folder)) as job:
        job.run(stop)
    left = "SELECT count(*), count(claimed_by) FROM worker.photos WHERE next_at IS NOT NULL"
    [(waiting, claimed)] = shop.road.run("vitrine", left)
    assert isinstance(waiting, int)
    assert waiting > 0
    assert claimed == 0
    shop.make_all()
    assert {(shop.verdict(one) or ())[:1] for one in ids} == {("pronta",)}


def test_a_photo_that_is_gone_takes_its_verdict_and_turn_along(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(40))
    shop.wait_queued(imagem_id)
    shop.make_all()
    shop.road.run("sgp", "DELETE FROM pedido_imagens WHERE id = %s", imagem_id)
    gone = "SELECT 1 FROM vitrine.imagens WHERE id = %s"
    shop.road.wait(lambda: shop.road.run("vitrine", gone, imagem_id) == [], "the row gone")
    shop.make_all()
    assert shop.verdict(imagem_id) is None
    assert shop.road.run("vitrine", "SELECT 1 FROM worker.photos WHERE imagem_id = %s", imagem_id) == []


def test_two_workers_share_the_work(shop: Shop) -> None:
    ids = [shop.add(draw_jpeg(50 + number)) for number in range(12)]
    shop.wait_queued(*ids)
    made: list[StoredObject] = []

    class Noting(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:
            made.append(StoredObject(key, len(body)))
            super().put(key, body)

    with shop.job(storage=Noting(shop.folder)) as one, shop.job(storage=Noting(shop.folder)) as other:
        threads = [Thread(target=job.run, args=(Event(),)) for job in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wait_until(lambda: all(shop.verdict(one) for one in ids), 60)
    assert len(made) == len(ids), "a photo was made twice"


def test_the_queues_trigger_never_stops_apply(shop: Shop) -> None:
    shop.road.run("vitrine", "ALTER TABLE worker.photos RENAME TO elsewhere")
    try:
        imagem_id = shop.add(draw_jpeg(60))
        query = "SELECT 1 FROM vitrine.imagens WHERE id = %s"
        shop.road.wait(lambda: bool(shop.road.run("vitrine", query, imagem_id)), "the row in the window")
    finally:
        shop.road.run("vitrine", "ALTER TABLE worker.elsewhere RENAME TO photos")
    assert shop.verdict(imagem_id) is None
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[:1] == ("pronta",)


def answer_with(job: MiniaturasJob, answer: Callable[[Task, Reply], Reply]) -> None:
    """Have each photo read and made, and something else said of it."""
    pool = job._maker.pool
    make = pool.make
    pool.make = lambda task: answer(task, make(task))  # type: ignore[method-assign]


def leave_recipes(job: MiniaturasJob) -> None:
    job._queue.queue_other_recipes = lambda: 0  # type: ignore[method-assign]  # the others' turn is elsewhere


def out_of_time(_: Task, reply: Reply) -> Reply:
    assert isinstance(reply, Made)
    return Rejected(Motivo.TEMPO_ESGOTADO, reply.original.digest, reply.original.seen)


def make_due(shop: Shop) -> None:
    shop.road.run("vitrine", "UPDATE worker.photos SET next_at = now() WHERE next_at IS NOT NULL")


def test_a_further_rendition_that_fails_takes_nothing_away(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(70))
    shop.wait_queued(imagem_id)

    def refuse_larger(task: Task, reply: Reply) -> Reply:
        assert isinstance(reply, Made)
        if task.long_edges == (640,):
            return reply
        return Rejected(Motivo.TRUNCADA, reply.original.digest, reply.original.seen)

    with shop.job(recipe=Recipe((640, 1600))) as job:
        leave_recipes(job)
        answer_with(job, refuse_larger)
        job.run(Event())
    assert (shop.verdict(imagem_id) or ())[:2] == ("pronta", None)
    waiting = "SELECT next_at FROM worker.photos WHERE imagem_id = %s"
    assert shop.road.run("vitrine", waiting, imagem_id) == [(None,)]
    shop.make_all()


def test_how_long_a_photo_waits_is_told_however_often_it_is_put_off(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(71))
    shop.wait_queued(imagem_id)
    shop.road.run(
        "vitrine",
        "UPDATE worker.photos SET queued_at = now() - interval '3 h' WHERE imagem_id = %s",
        imagem_id,
    )
    queue = shop.queue()
    [claim] = queue.claim(1)
    queue.postpone(claim, 300)
    assert queue.count().oldest_waiting_seconds == pytest.approx(3 * 3600, abs=60)
    make_due(shop)
    shop.make_all()
    assert queue.count().oldest_waiting_seconds == 0
    queue.put([imagem_id])
    assert queue.count().oldest_waiting_seconds < 60
    queue.close()
    shop.make_all()


def test_a_long_round_looks_around(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thumbnail_worker.photos.job._SWEEP_INTERVAL_S", 0.0)
    ids = [shop.add(draw_jpeg(80 + number)) for number in range(4)]
    shop.wait_queued(*ids)
    shown: list[float] = []
    with shop.job() as job:
        job._queue.claim = lambda _, claim=job._queue.claim: claim(1)  # type: ignore[misc,method-assign]
        object.__setattr__(job._metrics, "show", lambda tally: shown.append(tally.waiting))
        job.run(Event())
    assert max(shown) == len(ids)
    assert min(shown) < len(ids), "the numbers stood still"


def test_what_the_storage_will_not_take_stops_no_other(shop: Shop) -> None:
    ids = [shop.add(draw_jpeg(90 + number)) for number in range(3)]
    shop.wait_queued(*ids)

    class Picky(FilesystemStorage):
        def put(self, key: str, body: bytes) -> None:
            if key.startswith(f"{ids[1]}/"):
                raise StorageRefusedError("it is too large", "raise the limit")
            super().put(key, body)

    with shop.job(storage=Picky(shop.folder)) as job:
        job.run(Event())
    assert [(shop.verdict(one) or ())[:2] for one in ids] == [
        ("pronta", None),
        ("falhou", "recusada"),
        ("pronta", None),
    ]
    shop.make_all()
    assert (shop.verdict(ids[1]) or ())[:1] == ("falhou",), "tried again without a reason"
    queue = shop.queue()
    assert queue.queue_refused() == 1
    queue.close()
    shop.make_all()
    assert (shop.verdict(ids[1]) or ())[:2] == ("pronta", None)


def test_a_limit_that_is_raised_helps_what_it_refused(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(95, (3000, 2000)))
    shop.wait_queued(imagem_id)
    tight = replace(shop.limits(), max_pixels=1_000_000)
    with shop.job(limits=tight, recipe=Recipe((640,), tight.bounds)) as job:
        job.run(Event())
    assert (shop.verdict(imagem_id) or ())[:2] == ("falhou", "pixels_demais")
    with shop.job(recipe=Recipe((640,), shop.limits().bounds)) as job:
        job.run(Event())
    assert (shop.verdict(imagem_id) or ())[:2] == ("pronta", None)
    shop.make_all()


@pytest.mark.parametrize("dies", [True, False])
def test_a_photo_is_condemned_at_its_own_third_strike(shop: Shop, dies: bool) -> None:
    imagem_id = shop.add(draw_jpeg(97 if dies else 98))
    shop.wait_queued(imagem_id)
    queue = shop.queue()
    for _ in range(4):
        make_due(shop)
        [claim] = queue.claim(1)
        queue.postpone(claim, 0.0)  # the storage was away, say
    queue.close()

    def die(_: Task, reply: Reply) -> Reply:
        assert isinstance(reply, Made)
        raise RenderDiedError(reply.original)

    for strike in range(1, 4):
        assert shop.verdict(imagem_id) is None, f"condemned before strike {strike}"
        make_due(shop)
        with shop.job() as job:
            answer_with(job, die if dies else out_of_time)
            job.run(Event())
    wanted = "decodificador_caiu" if dies else "tempo_esgotado"
    assert (shop.verdict(imagem_id) or ())[:2] == ("falhou", wanted)
