"""How a test has its say in the turn of a photo."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix_clusters import MEDIA
from tests.fix_photos import Shop
from tests.fix_road import Road
from thumbnail_worker.photos.job import MiniaturasJob
from thumbnail_worker.photos.messages import Reply, Task


@pytest.fixture(scope="module")
def shop(mended_road: Road, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose seed's photos have all been made."""
    one = Shop(mended_road, MEDIA["root"], tmp_path_factory.mktemp("miniaturas"))
    assert (MEDIA["root"] / "pedidos" / "1" / "pedido-1.json").is_file()
    one.make_all()
    return one


def answer_with(job: MiniaturasJob, answer: Callable[[Task, Reply], Reply]) -> None:
    """Have each photo read and made, and something else said of it."""
    pool = job._maker.pool
    make = pool.make
    pool.make = lambda task: answer(task, make(task))  # type: ignore[method-assign]


def leave_recipes(job: MiniaturasJob) -> None:
    job._queue.queue_other_recipes = lambda: 0  # type: ignore[method-assign]  # the others' turn is elsewhere


def make_due(shop: Shop) -> None:
    shop.road.run("vitrine", "UPDATE worker.photos SET next_at = now() WHERE next_at IS NOT NULL")
