"""Drift, seeded in each pair: found, named, healed."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from pydantic import SecretStr
from rich.progress import Progress

from tests.fix_clusters import MEDIA
from tests.fix_photos import MAX_BYTES, ONE_SIZE, Shop, draw_jpeg, worker_dsn
from tests.fix_road import Road
from thumbnail_worker.drift import HEALED, Drift, Finding
from thumbnail_worker.errors import MediaRootError
from thumbnail_worker.media import Media
from thumbnail_worker.reconcile import Reconciler
from thumbnail_worker.session import Session
from thumbnail_worker.storage.filesystem import FilesystemStorage

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    one.make_all()
    return one


def open_reconciler(shop: Shop) -> Reconciler:
    return Reconciler(
        Session("vitrine", SecretStr(worker_dsn(shop.road))),
        shop.backlog(),
        Media(shop.media_root, max_bytes=MAX_BYTES),
        FilesystemStorage(shop.folder),
        ONE_SIZE,
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
