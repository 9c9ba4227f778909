"""Photos that wait while none is made: said on every face, and never while work goes on or there is none."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from db.engines import connect
from publications.faces.machine import to_json, to_nagios
from publications.panel import metrics
from publications.panel.page import make_page
from publications.panel.poller import Polled
from publications.watch.backlog import read_backlog
from publications.watch.checks import UNFOUND, CheckKind, Level, check_view
from publications.watch.road import look_once
from publications.watch.view import View
from tests.fix_clusters import MEDIA, PORTS
from tests.fix_photos import Shop, draw_jpeg
from tests.fix_road import Road
from tests.fix_watch import watch_dsns
from thumbnail_worker.errors import PhotosStoppedError

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

AN_HOUR = "UPDATE worker.held_up SET since = since - interval '1 hour'"


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose seed's photos have all been made."""
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    one.make_all()
    return one


@pytest.fixture(scope="module")
def view(mended_road: Road) -> View:
    return look_once(mended_road.declaration, watch_dsns(PORTS["vps"], mended_road.servers))


def look(shop: Shop, view: View) -> View:
    """Return the look with what the worker has to do now, read as the watch may."""
    dsn = watch_dsns(PORTS["vps"], shop.road.servers)["vitrine"]
    with connect(dsn.get_secret_value()) as conn:
        sight = replace(view.sights[view.window], backlog=read_backlog(conn))
    return replace(view, sights={**view.sights, view.window: sight})


def read_faces(seen: View) -> dict[str, str]:
    """Return what each face says of photos that stand still; empty where it says nothing."""
    checks = check_view(seen)
    kind = CheckKind.MINIATURAS_STOPPED
    told = [one for one in json.loads(to_json(seen, checks))["checks"] if one["kind"] == kind]
    page = make_page(Polled(seen, time.time(), time.monotonic()))
    [stopped] = [one for one in metrics.collect(seen, 1.0, 0.0) if one.name == metrics.STOPPED.name]
    return {
        "status": " ".join(f"{one['level']} {one['subject']} {one}" for one in told),
        "nagios": "none has been made" * ("none has been made" in to_nagios(seen, checks)),
        "panel": " ".join(one for one in page.alarms if "nenhuma é reduzida" in one),
        "metrics": "".join(str(one.value) for one in stopped.samples if one.value > 3000),
    }


QUIET = {"status": "", "nagios": "", "panel": "", "metrics": ""}


def run_held_up(shop: Shop, root: Path) -> None:
    """Have the worker run with another folder of photos."""
    with replace(shop, media_root=root).job() as job:
        job.look_around = lambda: None  # type: ignore[method-assign]  # the recheck ends in the same error
        with pytest.raises(PhotosStoppedError, match=str(root)):
            job.run(Event())
    shop.road.run("vitrine", AN_HOUR)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_wrong_folder_of_photos_is_said_on_all_faces_until_one_is_made(
    shop: Shop, view: View, tmp_path: Path, is_there: bool
) -> None:
    root = tmp_path / "errada"
    if is_there:
        root.mkdir()
    ids = [shop.add(draw_jpeg(50 + number)) for number in range(2)]
    shop.wait_queued(*ids)
    assert read_faces(look(shop, view)) == QUIET, "photos that have just arrived were called held up"
    run_held_up(shop, root)
    faces = read_faces(look(shop, view))
    assert "warning media_root" in faces["status"]
    assert "PONTE_WORKER_MEDIA_ROOT" in faces["status"]
    assert "2 photos wait" in faces["status"]
    assert "a pasta das fotos" in faces["panel"]
    assert all(faces.values())
    shop.road.run("vitrine", "UPDATE worker.photos SET next_at = now() WHERE next_at IS NOT NULL")
    with shop.job() as job:
        job.look_around = lambda: None  # type: ignore[method-assign]  # a photo that is made is enough
        job.run(Event())
    assert shop.road.run("vitrine", "SELECT count(*) FROM worker.held_up") == [(0,)]
    assert read_faces(look(shop, view)) == QUIET


def test_a_backlog_that_is_worked_off_is_not_held_up(shop: Shop, view: View) -> None:
    ids = [shop.add(draw_jpeg(60 + number)) for number in range(3)]
    shop.wait_queued(*ids)
    shop.road.run("vitrine", "UPDATE worker.photos SET queued_at = now() - interval '2 days'")
    assert read_faces(look(shop, view)) == QUIET
    shop.make_all()


def test_a_missing_file_is_a_verdict_and_holds_nothing_up(shop: Shop, view: View) -> None:
    imagem_id = shop.add(None)
    shop.wait_queued(imagem_id)
    shop.make_all()
    assert (shop.verdict(imagem_id) or ())[:2] == ("falhou", "arquivo_ausente")
    assert shop.road.run("vitrine", "SELECT count(*) FROM worker.held_up") == [(0,)]
    assert read_faces(look(shop, view)) == QUIET


def test_with_nothing_left_to_do_nothing_is_held_up(shop: Shop, view: View, tmp_path: Path) -> None:
    imagem_id = shop.add(draw_jpeg(70))
    shop.wait_queued(imagem_id)
    run_held_up(shop, tmp_path / "errada")
    assert all(read_faces(look(shop, view)).values())
    shop.road.run("sgp", "DELETE FROM pedido_imagens WHERE id = %s", imagem_id)
    gone = "SELECT 1 FROM public.pedido_imagens WHERE id = %s"
    shop.road.wait(lambda: not shop.road.run("vitrine", gone, imagem_id), "the photo's end")
    queue = shop.queue()
    queue.sweep()
    queue.close()
    assert shop.road.run("vitrine", "SELECT count(*) FROM worker.held_up") == [(0,)]
    assert read_faces(look(shop, view)) == QUIET


def test_one_whose_file_is_locked_is_forgotten_with_the_next_that_is_made(shop: Shop) -> None:
    queue = shop.queue()
    queue.hold_up("PermissionError")
    since = shop.road.run("vitrine", "SELECT since FROM worker.held_up")
    queue.hold_up("storage")
    queue.close()
    assert shop.road.run("vitrine", "SELECT cause FROM worker.held_up") == [("storage",)]
    assert shop.road.run("vitrine", "SELECT since FROM worker.held_up") == since
    imagem_id = shop.add(draw_jpeg(71))
    shop.wait_queued(imagem_id)
    shop.make_all()
    assert shop.road.run("vitrine", "SELECT count(*) FROM worker.held_up") == [(0,)]


def test_another_folder_that_is_there_is_said_after_ten_photos_without_a_file(
    shop: Shop, view: View, tmp_path: Path
) -> None:
    (tmp_path / "outra coisa.txt").write_text("nada")
    ids = [shop.add(draw_jpeg(80 + number)) for number in range(UNFOUND)]
    shop.wait_queued(*ids)
    with replace(shop, media_root=tmp_path).job() as job:
        job.run(Event())
    seen = look(shop, view)
    [one] = [one for one in check_view(seen) if one.kind is CheckKind.FILES_MISSING]
    assert (one.level, one.values["count"]) == (Level.WARNING, UNFOUND)
    assert f"the newest {UNFOUND} photos are missing" in to_nagios(seen, check_view(seen))
    page = make_page(Polled(seen, time.time(), time.monotonic()))
    assert [alarm for alarm in page.alarms if "a pasta das fotos deve ser outra" in alarm]
    families = {family.name: family for family in metrics.collect(seen, 1.0, 0.0)}
    assert families[metrics.UNFOUND.name].samples[0].value == UNFOUND
    shop.make_all()
    assert [check for check in check_view(look(shop, view)) if check.kind is CheckKind.FILES_MISSING] == []
