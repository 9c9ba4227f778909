"""The rendering processes: what one photo may cost, and that one which dies takes no other along."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from db.motivo import Motivo
from tests.fix_photos import draw_jpeg
from thumbnail_worker.photos.messages import Made, PhotoLimits, Rejected, RootAway, Task, Unchanged
from thumbnail_worker.photos.pool import RenderDiedError, RenderPool

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    (folder / "a.jpg").write_bytes(draw_jpeg(1, (1000, 700)))
    (folder / "text.jpg").write_bytes(b"isto nao e uma imagem")
    body = io.BytesIO()
    Image.new("RGB", (9400, 9400), (1, 2, 3)).save(body, "PNG", compress_level=1)
    (folder / "large.png").write_bytes(body.getvalue())
    return folder


def limits(root: Path, *, seconds: float = 60, memory_mb: int = 1536) -> PhotoLimits:
    return PhotoLimits(root, 2**20 * 40, 89_478_485, memory_mb, seconds)


@pytest.fixture(scope="module")
def pool(root: Path) -> Iterator[RenderPool]:
    one = RenderPool(1, limits(root))
    one.start()
    yield one
    one.close()


def test_a_photo_is_made_in_every_size_that_is_asked_for(pool: RenderPool) -> None:
    reply = pool.make(Task(1, "a.jpg", (640, 100)))
    assert isinstance(reply, Made)
    assert [one.largura for one in reply.renditions] == [640, 100]
    assert reply.original.seen.startswith(f"{reply.original.size}@")


def test_a_bad_one_is_rejected_with_its_digest(pool: RenderPool) -> None:
    reply = pool.make(Task(1, "text.jpg", (640,)))
    assert isinstance(reply, Rejected)
    assert reply.motivo is Motivo.NAO_E_IMAGEM
    assert reply.digest is not None
    again = pool.make(Task(1, "text.jpg", (640,), condemned=reply.digest))
    assert isinstance(again, Unchanged)


def test_a_folder_that_is_away_is_no_verdict(tmp_path: Path) -> None:
    pool = RenderPool(1, limits(tmp_path / "nothing"))
    assert isinstance(pool.make(Task(1, "a.jpg", (640,))), RootAway)
    pool.close()


def test_a_photo_that_takes_too_long_is_killed_and_the_next_is_made(root: Path) -> None:
    pool = RenderPool(1, limits(root, seconds=0.3))
    reply = pool.make(Task(1, "large.png", (8000,)))
    assert isinstance(reply, Rejected)
    assert (reply.motivo, reply.digest is None) == (Motivo.TEMPO_ESGOTADO, False)
    assert isinstance(pool.make(Task(2, "text.jpg", (640,))), Rejected)
    pool.close()


def test_a_photo_that_takes_too_much_memory_is_refused(root: Path) -> None:
    pool = RenderPool(1, limits(root, memory_mb=420))
    reply = pool.make(Task(1, "large.png", (8000,)))
    assert isinstance(reply, Rejected)
    assert reply.motivo is Motivo.PIXELS_DEMAIS
    assert isinstance(pool.make(Task(2, "a.jpg", (640,))), Made)
    pool.close()


def test_a_process_that_is_killed_is_replaced(pool: RenderPool) -> None:
    process = pool._renderers[0]._process
    assert process is not None
    process.kill()
    process.wait()
    with pytest.raises(RenderDiedError):
        pool.make(Task(1, "a.jpg", (640,)))
    assert isinstance(pool.make(Task(1, "a.jpg", (640,))), Made)


def test_a_closed_pool_makes_nothing_until_it_is_started(root: Path) -> None:
    pool = RenderPool(1, limits(root))
    pool.close()
    with pytest.raises(RenderDiedError):
        pool.make(Task(1, "a.jpg", (640,)))
    pool.start()
    assert isinstance(pool.make(Task(1, "a.jpg", (640,))), Made)
    pool.close()


def test_a_process_that_can_not_be_ended_holds_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = RenderPool(1, limits(root))
    pool.start()
    process = pool._renderers[0]._process
    assert process is not None
    waited: list[float] = []

    def wait_in_vain(seconds: float) -> None:
        waited.append(seconds)
        raise subprocess.TimeoutExpired("render", seconds)

    monkeypatch.setattr(process, "wait", wait_in_vain)
    pool.close()
    assert waited == [5.0]
    monkeypatch.undo()
    process.wait()
