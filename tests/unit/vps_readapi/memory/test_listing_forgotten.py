"""The kept list: what was forgotten is not taken for an empty shop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from vps_readapi.memory.bodies import Body
from vps_readapi.memory.feed import Feed
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.memory import Answers, Memory
from vps_readapi.memory.readings import Readings
from vps_readapi.memory.wanted import Wanted
from vps_readapi.pedidos.visibility import NOTHING

pytestmark = pytest.mark.unit

PLAN = cast("Wanted", SimpleNamespace(target=-1, coding=0))


async def confirmed() -> bool:
    return True


async def load(pedido_ids: Sequence[int]) -> dict[int, Body]:
    return {one: Body(b"{}", key=(0, 0, -one)) for one in pedido_ids}


def read_list(*, forgotten: int, pedidos: int = 2) -> bytes | None:
    """Return what memory answers when everything is forgotten so many times while it is being read."""

    async def run() -> bytes | None:
        left = forgotten

        async def read_ids(_limit: int) -> Sequence[int]:
            nonlocal left
            if left:
                left -= 1
                memory._forget_orders()
            return range(pedidos)

        memory = Memory.__new__(Memory)
        memory.answers = Answers()
        memory.feed = cast("Feed", SimpleNamespace(confirmed=confirmed))
        memory._readings = Readings(load, lambda *_: None)
        memory._bodies = OrderedDict()
        memory._listing = Listing(read_ids, max_orders=9)
        memory._load = load
        body = await memory.read(PLAN, NOTHING)
        return None if body is None else body.identity

    return asyncio.run(run())


@pytest.mark.parametrize("forgotten", [0, 1, 4])
def test_a_list_that_was_forgotten_is_read_again(forgotten: int) -> None:
    assert read_list(forgotten=forgotten) == b"[{},{}]"


def test_a_list_that_is_forgotten_again_and_again_is_nobodys_answer() -> None:
    assert read_list(forgotten=99) is None


def test_a_shop_without_orders_has_an_empty_list() -> None:
    assert read_list(forgotten=0, pedidos=0) == b"[]"
