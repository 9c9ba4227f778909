"""The list's rows: only what changed is read again, and what is kept is always one state."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import pytest

from vps_readapi.memory import listing
from vps_readapi.memory.bodies import LARGE_BYTES, Body
from vps_readapi.memory.listing import CHUNK, ForgottenError, Listing, TooManyError
from vps_readapi.pedidos.visibility import MONEY, NOTHING

T = TypeVar("T")


class Shop:
    """Orders that can be read, and what was asked of them."""

    def __init__(self, *pedidos: int, max_orders: int = 1000) -> None:
        self.pedidos = list(pedidos)
        self.version = 0
        self.size = 0
        self.limits: list[int] = []
        self.loads: list[list[int]] = []
        self.meanwhile: list[Any] = []
        self.listing = Listing(self.read_ids, max_orders=max_orders)

    async def read_ids(self, limit: int) -> Sequence[int]:
        self.limits.append(limit)
        return self.pedidos[:limit]

    async def load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        self.loads.append(list(pedido_ids))
        if self.meanwhile:
            self.meanwhile.pop()()
        text = b'{"id":%d,"v":%d,"valor_total":"5.00"%s}'
        padding = b"," + b" " * self.size if self.size else b""
        return {
            one: Body(text % (one, self.version, padding), key=(-one,))
            for one in pedido_ids
            if one in self.pedidos
        }

    async def refresh(self) -> None:
        await self.listing.refresh(self.load)

    def is_clean(self) -> bool:
        return self.listing.is_clean

    async def read(self, hidden: int = NOTHING) -> list[str]:
        """Return the list as `id.version` words."""
        body = await self.listing.join(hidden)
        words = body.identity.decode().strip("[]").split("},{") if body.identity != b"[]" else []
        return [f"{one.split(':')[1].split(',')[0]}.{one.split(':')[2].split(',')[0]}" for one in words]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


def test_all_is_read_once_in_pieces_and_comes_in_its_order() -> None:
    async def ask() -> None:
        shop = Shop(*range(1, 2 * CHUNK + 2))
        assert not shop.is_clean()
        await shop.refresh()
        assert shop.limits == [1001]
        assert [len(one) for one in shop.loads] == [CHUNK, CHUNK, 1]
        assert shop.is_clean()
        assert await shop.read() == [f"{one}.0" for one in range(2 * CHUNK + 1, 0, -1)]

    run(ask())


def test_only_what_changed_is_read_again_and_what_is_gone_goes() -> None:
    async def ask() -> None:
        shop = Shop(1, 2, 3, 4)
        await shop.refresh()
        shop.version = 1
        shop.pedidos = [1, 2, 4, 5]
        shop.listing.mark([5, 3, 2])
        assert not shop.is_clean()
        await shop.refresh()
        assert shop.loads[1:] == [[2, 3, 5]]
        assert await shop.read() == ["5.1", "4.0", "2.1", "1.0"]
        await shop.refresh()
        assert len(shop.loads) == 2, "nothing had changed"
        assert await shop.read() == ["5.1", "4.0", "2.1", "1.0"]

    run(ask())


def test_a_mark_takes_the_joined_list_away() -> None:
    async def ask() -> None:
        shop = Shop(1)
        await shop.refresh()
        await shop.read()
        await shop.read(MONEY)
        assert shop.listing.bodies.keys() == {NOTHING, MONEY}
        assert b"5.00" not in shop.listing.bodies[MONEY].identity
        shop.listing.mark([])
        assert shop.listing.bodies == {}
        assert shop.is_clean()

    run(ask())


def test_what_changes_while_it_is_read_stays_to_be_read() -> None:
    async def ask() -> None:
        shop = Shop(1, 2)
        await shop.refresh()
        shop.listing.mark([1])
        shop.meanwhile.append(lambda: shop.listing.mark([2]))
        await shop.refresh()
        assert not shop.is_clean()
        shop.version = 1
        await shop.read()
        assert shop.listing.bodies == {}, "a list that was not clean was kept"
        await shop.refresh()
        assert shop.loads[1:] == [[1], [2]]

    run(ask())


def test_a_reading_that_fails_leaves_everything_to_be_read() -> None:
    async def ask() -> None:
        shop = Shop(1, 2, 3)
        await shop.refresh()
        shop.listing.mark([1, 2])

        def fail() -> None:
            shop.listing.mark([3])
            raise RuntimeError("away")

        shop.meanwhile.append(fail)
        with pytest.raises(RuntimeError, match="away"):
            await shop.refresh()
        assert not shop.is_clean()
        await shop.refresh()
        assert shop.loads[-1] == [1, 2, 3]
        assert shop.is_clean()

    run(ask())


@pytest.mark.parametrize("first", [True, False])
def test_what_is_forgotten_while_it_is_read_is_not_kept(first: bool) -> None:
    async def ask() -> None:
        shop = Shop(1)
        if not first:
            await shop.refresh()
            shop.listing.mark([1])
        shop.meanwhile.append(shop.listing.forget)
        await shop.refresh()
        assert not shop.is_clean()
        with pytest.raises(ForgottenError):
            await shop.listing.join(NOTHING)

    run(ask())


def test_what_is_forgotten_is_read_as_the_first_time() -> None:
    async def ask() -> None:
        shop = Shop(1)
        await shop.refresh()
        await shop.read()
        shop.listing.mark([1])
        for _ in range(2):
            shop.listing.forget()
        assert (shop.listing.bodies, shop.is_clean()) == ({}, False)
        shop.listing.mark([7])
        await shop.refresh()
        assert len(shop.limits) == 2

    run(ask())


def test_as_many_orders_as_are_kept_are_kept_and_not_one_more() -> None:
    async def ask() -> None:
        shop = Shop(1, 2, max_orders=2)
        await shop.refresh()
        assert shop.limits == [3]
        assert await shop.read() == ["2.0", "1.0"]
        shop.listing.mark([1])
        await shop.refresh()
        assert shop.is_clean(), "as many as before are too many"
        shop.pedidos.append(3)
        shop.listing.mark([3])
        with pytest.raises(TooManyError):
            await shop.refresh()
        assert not shop.is_clean()
        with pytest.raises(TooManyError):
            await shop.refresh()
        assert len(shop.loads) == 3, "they were counted before they were read"

    run(ask())


def test_the_lists_tag_is_made_of_its_orders_tags_alone() -> None:
    async def ask() -> None:
        shop = Shop(1, 2)
        await shop.refresh()
        rows = await shop.load([2, 1])
        digest = blake2b(rows[2].etag + rows[1].etag, digest_size=12).hexdigest()
        assert (await shop.listing.join(NOTHING)).etag == f'W/"{digest}"'.encode()

    run(ask())


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("forgotten", [True, False])
def test_a_large_list_is_joined_beside_the_loop(
    large: bool, forgotten: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[object] = []
    to_thread = asyncio.to_thread

    async def ask() -> None:
        shop = Shop(1)
        shop.size = LARGE_BYTES if large else 0
        await shop.refresh()

        async def noted(function: Any, *given: Any) -> Any:
            threads.append(function)
            found = await to_thread(function, *given)
            if forgotten:
                shop.listing.forget()
                await shop.refresh()
            return found

        monkeypatch.setattr(asyncio, "to_thread", noted)
        body = await shop.listing.join(NOTHING)
        assert body.identity.startswith(b'[{"id":1')
        assert (shop.listing.bodies.get(NOTHING) is body) is not (large and forgotten)

    run(ask())
    assert threads == ([listing._join] if large else [])


def test_a_list_is_large_from_one_byte_more_on() -> None:
    rows = [Body(b"x" * (LARGE_BYTES - 1)), Body(b"y")]
    assert listing._count_bytes(rows) == LARGE_BYTES
    assert listing._count_bytes([*rows, Body(b"z")]) == LARGE_BYTES + 1


def test_what_is_kept_is_measured_with_rows_and_lists() -> None:
    async def measure() -> tuple[int, int, int, int]:
        shop = Shop(1, 2)
        empty = shop.listing.measure()
        await shop.refresh()
        rows = shop.listing.measure()
        joined = await shop.listing.join(NOTHING)
        return empty, rows, shop.listing.measure(), joined.size

    empty, rows, whole, joined = run(measure())
    one = Body(b'{"id":1,"v":0,"valor_total":"5.00"}', key=(-1,)).size
    assert (empty, rows, whole) == (0, 2 * one, 2 * one + joined)
