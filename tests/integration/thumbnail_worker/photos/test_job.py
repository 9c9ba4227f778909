"""The worker's photos on a real road: queue, claims, verdicts, rounds."""

from __future__ import annotations

from hashlib import sha256
from threading import Event, Thread

import pytest

from db.motivo import Motivo
from db.waiting import wait_until
from infra.devstack.seed.odd_images import ODD_IMAGES
from tests.fix_clusters import MEDIA
from tests.fix_photos import Shop, draw_jpeg
from tests.fix_road import Road
from tests.photo_turns import leave_recipes, make_due
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.storage import StoredObject
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = [pytest.mark.integration, pytest.mark.any_version]


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose seed's photos have all been made."""
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    assert (MEDIA["root"] / "pedidos" / "1" / "pedido-1.json").is_file()
    one.make_all()
    return one


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
