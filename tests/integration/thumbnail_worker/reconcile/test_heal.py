"""Drift, seeded in each pair: found, named, healed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from pydantic import SecretStr
from rich.progress import Progress

from tests.fix_clusters import MEDIA
from tests.fix_photos import MAX_BYTES, ONE_SIZE, Shop, draw_jpeg, worker_dsn
from tests.fix_road import Road
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.errors import MediaRootError, StorageError, StorageInDoubtError
from thumbnail_worker.photos.originals import Media
from thumbnail_worker.photos.recipe import Recipe
from thumbnail_worker.reconcile.compare import HEALED, Drift, Finding
from thumbnail_worker.reconcile.heal import Reconciler
from thumbnail_worker.storage import Storage
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = [pytest.mark.integration, pytest.mark.any_version]


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    one.make_all()
    return one


def open_reconciler(shop: Shop, *, storage: Storage | None = None, recipe: Recipe = ONE_SIZE) -> Reconciler:
    return Reconciler(
        JobConnection("vitrine", SecretStr(worker_dsn(shop.road))),
        shop.queue(recipe=recipe),
        Media(shop.media_root, max_bytes=MAX_BYTES),
        storage or FilesystemStorage(shop.folder),
        recipe,
    )


@pytest.fixture
def reconciler(shop: Shop) -> Iterator[Reconciler]:
    one = open_reconciler(shop)
    yield one
    one.close()


def find(reconciler: Reconciler) -> list[Finding]:
    """Return what Ponte can heal."""
    return [one for one in reconciler.find(Progress(disable=True)) if one.drift in HEALED]


def add_made(shop: Shop, seed: int, *, path: str | None = None) -> tuple[int, str]:
    imagem_id = shop.add(draw_jpeg(seed), path=path)
    shop.wait_queued(imagem_id)
    shop.make_all()
    verdict = shop.verdict(imagem_id)
    assert verdict is not None
    return imagem_id, str(verdict[2])


def test_nothing_is_found_where_nothing_is_wrong(reconciler: Reconciler) -> None:
    assert find(reconciler) == []


def test_what_is_sgps_own_is_named_and_left(shop: Shop, reconciler: Reconciler) -> None:
    stray = shop.media_root / "pedidos/1/ninguem.jpg"
    stray.write_bytes(draw_jpeg(100))
    found = reconciler.find(Progress(disable=True))
    assert Finding(Drift.ORIGINAL_WITHOUT_ROW, "pedidos/1/ninguem.jpg") in found
    missing = [one.what for one in found if one.drift is Drift.ROW_WITHOUT_ORIGINAL]
    condemned = (
        "SELECT imagem_id FROM vitrine.miniaturas WHERE motivo IN ('arquivo_ausente', 'caminho_invalido')"
    )
    assert set(missing) == {row[0] for row in shop.road.run("vitrine", condemned)}
    reconciler.heal(found)
    assert stray.exists()
    stray.unlink()


def test_a_row_without_a_manifest(shop: Shop, reconciler: Reconciler) -> None:
    imagem_id, chave = add_made(shop, 101)
    shop.road.run("vitrine", "DELETE FROM vitrine.miniaturas WHERE imagem_id = %s", imagem_id)
    found = find(reconciler)
    assert Finding(Drift.ROW_WITHOUT_MANIFEST, imagem_id) in found
    reconciler.heal(found)
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[2:3] == (chave,)
    assert find(reconciler) == []


def test_a_manifest_without_a_row(shop: Shop, reconciler: Reconciler) -> None:
    shop.road.run(
        "vitrine", "INSERT INTO vitrine.miniaturas (imagem_id, estado, motivo) VALUES (999, 'falhou', 'x')"
    )
    found = find(reconciler)
    assert found == [Finding(Drift.MANIFEST_WITHOUT_ROW, 999)]
    reconciler.heal(found)
    assert find(reconciler) == []


@pytest.mark.parametrize("left", [None, b"half"])
def test_a_manifest_without_its_object(shop: Shop, reconciler: Reconciler, left: bytes | None) -> None:
    imagem_id, chave = add_made(shop, 102 if left else 103)
    whole = (shop.folder / chave).read_bytes()
    if left is None:
        (shop.folder / chave).unlink()
    else:
        (shop.folder / chave).write_bytes(left)
    found = find(reconciler)
    assert found == [Finding(Drift.MANIFEST_WITHOUT_OBJECT, imagem_id)]
    reconciler.heal(found)
    assert shop.verdict(imagem_id) is None, "what can't be fetched is still announced"
    shop.make_all()
    assert (shop.folder / chave).read_bytes() == whole
    assert find(reconciler) == []


def test_an_object_without_a_manifest_goes_the_second_time(shop: Shop, reconciler: Reconciler) -> None:
    storage = FilesystemStorage(shop.folder)
    storage.put("5000/0123456789abcdef-w1-640.webp", b"nobody's")
    found = find(reconciler)
    assert found == [Finding(Drift.OBJECT_WITHOUT_MANIFEST, "5000/0123456789abcdef-w1-640.webp")]
    assert reconciler.heal(found).deleted == 0
    assert find(reconciler) == found
    assert reconciler.heal(found).deleted == 0, "deleted before its grace was over"
    assert reconciler.heal(found, grace_s=0).deleted == 1
    assert find(reconciler) == []


def test_an_object_that_is_announced_meanwhile_stays(shop: Shop, reconciler: Reconciler) -> None:
    imagem_id, chave = add_made(shop, 104)
    shop.road.run("vitrine", "DELETE FROM vitrine.miniaturas WHERE imagem_id = %s", imagem_id)
    found = [one for one in find(reconciler) if one.drift is Drift.OBJECT_WITHOUT_MANIFEST]
    assert [one.what for one in found] == [chave]
    reconciler.heal(found)
    assert reconciler.heal(found, grace_s=0).deleted == 0, "a photo in the queue may be about to announce it"
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[2:3] == (chave,)
    assert reconciler.heal(found, grace_s=0).deleted == 0
    assert (shop.folder / chave).is_file()


def test_a_manifest_of_another_original(shop: Shop, reconciler: Reconciler) -> None:
    imagem_id, before = add_made(shop, 105, path="pedidos/1/trocada.jpg")
    (shop.media_root / "pedidos/1/trocada.jpg").write_bytes(draw_jpeg(106))
    found = find(reconciler)
    assert found == [Finding(Drift.MANIFEST_OF_ANOTHER_ORIGINAL, imagem_id)]
    reconciler.heal(found)
    shop.make_all()
    after = str((shop.verdict(imagem_id) or ())[2])
    assert before != after
    # The old content's object belongs to nothing now, and goes the same way as any other.
    left = find(reconciler)
    assert left == [Finding(Drift.OBJECT_WITHOUT_MANIFEST, before)]
    reconciler.heal(left)
    assert reconciler.heal(left, grace_s=0).deleted == 1
    assert find(reconciler) == []


def test_a_share_that_is_away_heals_nothing(shop: Shop) -> None:
    away = Shop(shop.road, shop.media_root / "nothing", shop.folder)
    reconciler = open_reconciler(away)
    with pytest.raises(MediaRootError):
        reconciler.find(Progress(disable=True))
    reconciler.close()


def test_photos_that_are_being_made_are_no_drift(shop: Shop, reconciler: Reconciler) -> None:
    imagem_id = shop.add(draw_jpeg(107))
    shop.wait_queued(imagem_id)
    assert find(reconciler) == []
    with shop.job() as job:
        job.run(Event())
    assert find(reconciler) == []


NOBODYS = "5001/0123456789abcdef-w1-640.webp"


def test_what_others_keep_in_the_storage_stays(shop: Shop, reconciler: Reconciler) -> None:
    others = [shop.folder / name for name in ("backup/db.dump", "pedidos/1/abc.jpg", "7/.DS_Store", "a/b:c")]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
    found = find(reconciler)
    assert found == []
    # Also where somebody says that they are nobody's.
    said = [
        Finding(Drift.OBJECT_WITHOUT_MANIFEST, path.relative_to(shop.folder).as_posix()) for path in others
    ]
    reconciler.heal(said)
    assert reconciler.heal(said, grace_s=0).deleted == 0
    assert all(path.read_bytes() == b"precious" for path in others)
    for path in others:
        path.unlink()


def test_a_size_that_is_new_costs_no_miniatura(shop: Shop) -> None:
    there, _ = add_made(shop, 110)
    gone, chave = add_made(shop, 111, path="pedidos/1/sumiu.jpg")
    (shop.media_root / "pedidos/1/sumiu.jpg").unlink()
    before = shop.verdict(gone)
    reconciler = open_reconciler(shop, recipe=Recipe((640, 1600)))
    found = find(reconciler)
    assert Finding(Drift.RENDITION_WITHOUT_OBJECT, there) in found
    assert {one.drift for one in found} == {Drift.RENDITION_WITHOUT_OBJECT}
    assert gone not in [one.what for one in found]
    queued = reconciler.heal(found).queued
    assert queued == len(found)
    assert shop.verdict(there) is not None, "withdrawn while it is made"
    reconciler.heal(find(reconciler), grace_s=0)
    reconciler.close()
    assert shop.verdict(gone) == before
    assert (shop.folder / chave).is_file()
    shop.make_all()


def test_a_storage_that_lost_everything_is_not_believed(
    shop: Shop, tmp_path: Path, reconciler: Reconciler
) -> None:
    imagem_id, _ = add_made(shop, 112)
    announced = "SELECT count(*) FROM vitrine.miniaturas WHERE estado = 'pronta'"
    before = shop.road.run("vitrine", announced)
    (tmp_path / "unmounted").mkdir()
    doubted = open_reconciler(shop, storage=FilesystemStorage(tmp_path / "unmounted"))
    found = find(doubted)
    with pytest.raises(StorageInDoubtError, match=r"HINT: .*--force"):
        doubted.heal(found)
    assert shop.road.run("vitrine", announced) == before
    assert find(reconciler) == []
    doubted.heal(found, force=True)
    doubted.close()
    assert shop.verdict(imagem_id) is None
    shop.make_all()
    assert shop.verdict(imagem_id) is not None


def test_what_was_made_again_meanwhile_is_still_announced(shop: Shop, reconciler: Reconciler) -> None:
    imagem_id, chave = add_made(shop, 113, path="pedidos/1/refeita.jpg")
    other, its = add_made(shop, 114)
    (shop.folder / chave).unlink()
    (shop.folder / its).unlink()
    found = find(reconciler)
    (shop.media_root / "pedidos/1/refeita.jpg").write_bytes(draw_jpeg(115))
    queue = shop.queue()
    queue.put([imagem_id])
    shop.make_all()
    queue.put([other])
    queue.close()
    after = shop.verdict(imagem_id)
    assert reconciler.heal(found).queued == 0
    assert shop.verdict(imagem_id) == after
    assert shop.verdict(other) is not None, "withdrawn while it waits to be made"
    shop.make_all()
    reconciler.heal(find(reconciler))
    reconciler.heal(find(reconciler), grace_s=0)
    assert find(reconciler) == []


def test_one_name_that_can_not_be_deleted_ends_no_run(shop: Shop) -> None:
    class Stubborn(FilesystemStorage):
        def delete(self, key: str) -> None:
            if key == NOBODYS:
                raise StorageError("it is held open", "close it")
            super().delete(key)

    others = [f"500{number}/0123456789abcdef-w1-640.webp" for number in range(4)]
    for key in others:
        FilesystemStorage(shop.folder).put(key, b"nobody's")
    reconciler = open_reconciler(shop, storage=Stubborn(shop.folder))
    reconciler.heal(find(reconciler))
    report = reconciler.heal(find(reconciler), grace_s=0)
    reconciler.close()
    assert (report.deleted, report.undeleted) == (3, 1)
    assert [(shop.folder / key).exists() for key in others] == [False, True, False, False]
    (shop.folder / NOBODYS).unlink()


def test_nobody_can_take_a_photo_whose_object_is_being_deleted(shop: Shop) -> None:
    imagem_id, chave = add_made(shop, 116)
    left = chave.replace(chave.split("/")[1][:16], "0" * 16)
    free = "SELECT 1 FROM worker.photos WHERE imagem_id = %s FOR UPDATE SKIP LOCKED"
    seen: list[object] = []

    class Watched(FilesystemStorage):
        def delete(self, key: str) -> None:
            seen.append((key, shop.road.run("vitrine", free, imagem_id)))
            super().delete(key)

    storage = Watched(shop.folder)
    storage.put(left, b"of another content")
    reconciler = open_reconciler(shop, storage=storage)
    reconciler.heal(find(reconciler))
    assert reconciler.heal(find(reconciler), grace_s=0).deleted == 1
    reconciler.close()
    assert seen == [(left, [])]
    assert shop.road.run("vitrine", free, imagem_id) == [(1,)]
