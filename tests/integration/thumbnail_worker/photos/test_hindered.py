"""What stands in a photo's way: a file, a storage, a limit, a decoder, another worker."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import pytest

from db.motivo import Motivo
from tests.fix_clusters import MEDIA
from tests.fix_photos import Shop, draw_jpeg
from tests.fix_road import Road
from tests.photo_turns import answer_with, leave_recipes, make_due
from thumbnail_worker.errors import PhotosStoppedError, StorageError, StorageRefusedError
from thumbnail_worker.photos.messages import Made, Rejected, Reply, Task
from thumbnail_worker.photos.pool import RenderDiedError
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = [pytest.mark.integration, pytest.mark.any_version]


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose seed's photos have all been made."""
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    assert (MEDIA["root"] / "pedidos" / "1" / "pedido-1.json").is_file()
    one.make_all()
    return one


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


def out_of_time(_: Task, reply: Reply) -> Reply:
    assert isinstance(reply, Made)
    return Rejected(Motivo.TEMPO_ESGOTADO, reply.original.digest, reply.original.seen)


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
