"""What is read while it changes, and what is read before anybody asks, without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.people import People
from vps_readapi.memory.readings import MAX_TOGETHER, Readings
from vps_readapi.memory.sql import Changes, Clock
from vps_readapi.memory.wanted import Wanted
from vps_readapi.pedidos.visibility import NOTHING, VisibilityPolicy

pytestmark = pytest.mark.unit

T = TypeVar("T")
TOKEN = Verified(Claims(1, "ana"), 2**40, 0, None, b"digest")
BEFORE, AFTER = "5:5:", "6:6:"
"""Snapshots in which transaction 5 is not visible yet, and is."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


class Window:
    """Orders below 100, each reading of which waits until it is let go, in a snapshot that is said then."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self._begun = asyncio.Event()
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    async def load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        number = len(self.asked)
        self.asked.append(list(pedido_ids))
        self._begun.set()
        seen = await self._answers.get()
        return {one: Body(b"%d" % number, seen=seen) for one in pedido_ids if one < 100}

    async def begun(self) -> None:
        """Wait until a further reading has begun."""
        await self._begun.wait()
        self._begun.clear()

    def answer(self, *snapshots: str) -> None:
        """Let readings end, one for each snapshot."""
        for one in snapshots:
            self._answers.put_nowait(one)


def wanted(target: int) -> Wanted:
    return Wanted(target, TOKEN, coding=0, etags=frozenset(), max_age_s=None, is_head=False, cors=b"")


def change(*pedidos: int, xid: int = 5) -> Changes:
    transactions = {one: [xid] for one in pedidos}
    return Changes(pedidos, (), sessoes=False, clock=Clock(), transactions=transactions)


def make_memory(window: Window) -> Memory:
    async def read_ids(_limit: int) -> Sequence[int]:
        return ()

    return Memory(
        "",
        people=People(VisibilityPolicy.of()),
        load=window.load,
        listing=Listing(read_ids, max_orders=9),
        budget_bytes=10**6,
    )


@pytest.mark.parametrize(("seen", "kept"), [(BEFORE, []), (AFTER, [(7, b"0")])])
def test_what_changed_while_it_was_read_is_kept_if_it_shows_the_change(
    seen: str, kept: list[tuple[int, bytes]]
) -> None:
    async def read() -> tuple[list[tuple[int, bytes]], bytes]:
        window, taken = Window(), list[tuple[int, bytes]]()
        readings = Readings(window.load, lambda pedido_id, body: taken.append((pedido_id, body.identity)))
        reader = asyncio.create_task(readings.read(7))
        await window.begun()
        readings.note(7, [5])
        window.answer(seen)
        found = await reader
        assert found is not None
        return taken, found.identity

    assert run(read()) == (kept, b"0")


@pytest.mark.parametrize(("seen", "answer", "asked"), [(BEFORE, b"1", [[7], [7]]), (AFTER, b"0", [[7]])])
def test_who_knows_of_a_change_gets_nothing_of_before_it(
    seen: str, answer: bytes, asked: list[list[int]]
) -> None:
    async def read() -> tuple[bytes, list[list[int]]]:
        window = Window()
        readings = Readings(window.load, lambda *_: None)
        readings.begin(7)
        await window.begun()
        readings.note(7, [5])
        window.answer(seen, AFTER)
        found = await readings.read(7)
        assert found is not None
        return found.identity, window.asked

    assert run(read()) == (answer, asked)


def test_an_order_that_was_missing_may_have_come_with_the_change() -> None:
    async def read() -> list[list[int]]:
        window = Window()
        readings = Readings(window.load, lambda *_: None)
        readings.begin(100)
        await window.begun()
        readings.note(100, [5])
        window.answer(AFTER, AFTER)
        assert await readings.read(100) is None
        return window.asked

    assert run(read()) == [[100], [100]]


def test_a_change_by_an_unknown_transaction_spoils_the_reading_under_way_and_none_that_waits() -> None:
    async def read() -> tuple[list[int], list[list[int]]]:
        window, taken = Window(), list[int]()
        readings = Readings(window.load, lambda pedido_id, _: taken.append(pedido_id))
        readings.begin(7)
        await window.begun()
        waiting = readings.begin(8)
        readings.note(7, ())
        readings.note(8, ())
        assert readings.begin(8) is waiting
        window.answer(AFTER, AFTER)
        await readings.read(7)
        return taken, window.asked

    assert run(read()) == ([8, 7], [[7], [8, 7]])


async def look(memory: Memory, window: Window, pedido_id: int, seen: str = BEFORE) -> None:
    """Ask for an order, which is read if it is not there."""
    window.answer(seen)
    await memory.read(wanted(pedido_id), NOTHING)
    window._begun.clear()


def test_who_looked_at_an_order_finds_it_read_again_once_it_has_changed() -> None:
    async def read() -> tuple[bytes, list[list[int]], int]:
        window = Window()
        memory = make_memory(window)
        await look(memory, window, 7)
        memory._apply(change(7))
        await window.begun()
        window.answer(AFTER)
        body = await memory.read(wanted(7), NOTHING)
        assert memory.recall(wanted(7), NOTHING) is body is not None
        return body.identity, window.asked, memory.read_ahead

    assert run(read()) == (b"1", [[7], [7]], 1)


def test_an_order_is_read_again_once_for_each_look() -> None:
    async def read() -> tuple[list[list[int]], int]:
        window = Window()
        memory = make_memory(window)
        await look(memory, window, 7)
        for xid in (5, 6, 7):  # nobody looks meanwhile
            memory._apply(change(7, xid=xid))
            window.answer(f"{xid + 1}:{xid + 1}:")
            await asyncio.sleep(0)
            while memory._readings._under_way:  # noqa: ASYNC110  # some turns of the loop
                await asyncio.sleep(0)
        return window.asked, memory.read_ahead

    assert run(read()) == ([[7], [7]], 1)


def test_an_order_is_read_as_soon_as_it_is_named_and_then_shows_its_change() -> None:
    async def read() -> tuple[bytes, list[list[int]]]:
        window = Window()
        memory = make_memory(window)
        await look(memory, window, 7)
        memory._name([7, 8])
        await window.begun()
        memory._apply(change(7))
        assert memory.recall(wanted(7), NOTHING) is None, "it was of before the change"
        window.answer(AFTER)
        body = await memory.read(wanted(7), NOTHING)
        memory._apply(change(7))  # told again, as after a lost connection
        assert memory.recall(wanted(7), NOTHING) is body is not None
        asked = window.asked.copy()
        memory._apply(change(7, xid=6))
        assert memory.recall(wanted(7), NOTHING) is None
        return body.identity, asked

    assert run(read()) == (b"1", [[7], [7]])


def test_nothing_is_read_ahead_of_a_bulk_change_and_so_much_at_a_time() -> None:
    async def read() -> tuple[int, int]:
        window = Window()
        memory = make_memory(window)
        many = range(MAX_TOGETHER + 1)
        for one in many:
            await look(memory, window, one)
        memory._apply(change(*many))
        assert memory.read_ahead == 0
        for one in many:
            await look(memory, window, one, AFTER)
        for one in many:
            memory._name([one])
        return memory.read_ahead, memory._readings.waiting

    assert run(read()) == (MAX_TOGETHER, MAX_TOGETHER)
