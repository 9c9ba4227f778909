"""The worker as a process: killed in the middle of its work again and again, and stopped politely."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from db import lifetime
from tests.fix_clusters import MEDIA
from tests.fix_photos import Shop, draw_jpeg, worker_dsn
from tests.fix_road import Road

pytestmark = [pytest.mark.acceptance, pytest.mark.any_version, pytest.mark.timeout(400)]

KILLS = 3
PHOTOS = 40


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))


@contextmanager
def run_worker(shop: Shop) -> Iterator[lifetime.Child]:
    with lifetime.start(
        [sys.executable, "-m", "thumbnail_worker"], env=environment(shop), stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def environment(shop: Shop) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
    return inherited | {
        "PONTE_WORKER_SGP_DSN": worker_dsn(shop.road, "sgp"),
        "PONTE_WORKER_VITRINE_DSN": worker_dsn(shop.road),
        "PONTE_CREDENTIAL_KEY": "c" * 32,
        "PONTE_WORKER_MEDIA_ROOT": str(shop.media_root),
        "PONTE_WORKER_STORAGE": "filesystem",
        "PONTE_WORKER_STORAGE_DIR": str(shop.folder),
    }


def count_verdicts(shop: Shop) -> int:
    [[count]] = shop.road.run("vitrine", "SELECT count(*) FROM vitrine.miniaturas")
    assert isinstance(count, int)
    return count


def test_killed_again_and_again_it_loses_and_doubles_nothing(shop: Shop) -> None:
    ids = [shop.add(draw_jpeg(number, (1600, 1200))) for number in range(PHOTOS)]
    shop.wait_queued(*ids)
    for _ in range(KILLS):
        before = count_verdicts(shop)
        with run_worker(shop):
            shop.road.wait(lambda at=before: count_verdicts(shop) > at + 3, "some verdicts")  # type: ignore[misc]
        # As if the leases had run out, which takes 15 s; what was claimed is claimed anew.
        shop.road.run(
            "vitrine", "UPDATE worker.photos SET claimed_until = now() WHERE claimed_until IS NOT NULL"
        )
    with run_worker(shop) as process:
        rest = "SELECT count(*) FROM worker.photos WHERE next_at IS NOT NULL"
        shop.road.wait(lambda: shop.road.run("vitrine", rest) == [(0,)], "an empty queue")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    verdicts = [shop.verdict(one) for one in ids]
    assert {(verdict or ())[:1] for verdict in verdicts} == {("pronta",)}
    kept = {path.relative_to(shop.folder).as_posix() for path in shop.folder.rglob("*.webp")}
    announced = shop.road.run("vitrine", "SELECT chave FROM vitrine.miniaturas WHERE chave IS NOT NULL")
    assert kept == {str(row[0]) for row in announced}


def run_command(shop: Shop, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        lifetime.tie([sys.executable, "-m", "thumbnail_worker", *words]),
        env=environment(shop),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_as_people_run_them(shop: Shop) -> None:
    imagem_id = shop.add(draw_jpeg(200))
    shop.wait_queued(imagem_id)
    done = run_command(shop, "backfill")
    assert (done.returncode, "waiting" in done.stdout) == (0, True), done.stderr
    assert run_command(shop, "reconcile", "--dry-run").returncode == 0
    verdict = shop.verdict(imagem_id)
    assert verdict is not None
    Path(shop.folder, str(verdict[2])).unlink()
    done = run_command(shop, "reconcile", "--json")
    assert done.returncode == 3, done.stderr
    assert f'"manifest_without_object": [\n      {imagem_id}\n' in done.stdout
    assert run_command(shop, "backfill").returncode == 0
    assert run_command(shop, "reconcile").returncode == 0
    waiting = shop.add(draw_jpeg(201))
    shop.wait_queued(waiting)
    other = shop.queue()
    assert [claim.imagem_id for claim in other.claim(1)] == [waiting]
    assert run_command(shop, "backfill").returncode == 3, "one that somebody else is at still waits"
    other.release()
    other.close()
    assert run_command(shop, "backfill").returncode == 0
    done = run_command(shop, "status", "--json")
    assert '"waiting": 0' in done.stdout
    assert '"arquivo_ausente"' in done.stdout
