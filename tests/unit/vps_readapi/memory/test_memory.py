"""The memory of one process, without a database: nothing of before a change is given out after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.memory.bodies import GZIP, LARGE_BYTES, OWN_BYTES, ZSTD, Body
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.memory import Answers, Memory
from vps_readapi.memory.people import People
from vps_readapi.memory.readings import MAX_TOGETHER
from vps_readapi.memory.sql import Changes, Clock
from vps_readapi.memory.wanted import LIST, Wanted
from vps_readapi.pedidos.visibility import MONEY, NOTHING, VisibilityPolicy

T = TypeVar("T")
TOKEN = Verified(Claims(1, "ana"), 2**40, 0, None, b"digest")
Load = Callable[[Sequence[int]], Awaitable[dict[int, Body]]]


def wanted(target: int = 7, **changes: Any) -> Wanted:
    usual: dict[str, Any] = {
        "coding": 0,
        "etags": frozenset(),
        "max_age_s": None,
        "is_head": False,
        "cors": b"",
    }
    return Wanted(target=target, token=TOKEN, **(usual | changes))


def changes(*pedidos: int, everything: bool = False, clock: Clock | None = None) -> Changes:
    return Changes(None if everything else pedidos, (), sessoes=False, clock=clock or Clock())


class Database:
    """Orders whose reading waits until it is let go; each reading gives the next version of all."""

    def __init__(self, *, size: int = 0) -> None:
        self.asked: list[list[int]] = []
        self._gates: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._padding = "x" * size

    async def load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        number = len(self.asked)
        self.asked.append(list(pedido_ids))
        await self._gates[number].wait()
        return {
            one: Body(b'{"id":%d,"v":%d,"p":"%s"}' % (one, number, self._padding.encode()), key=(one,))
            for one in pedido_ids
            if one < 100
        }

    def let_go(self, number: int) -> None:
        """Let one reading end, whether it has begun or not."""
        self._gates[number].set()


def make_memory(load: Load, *, budget_bytes: int = 10**6) -> Memory:
    async def read_ids(_limit: int) -> Sequence[int]:
        return ()

    return Memory(
        "",
        people=People(VisibilityPolicy.of()),
        load=load,
        listing=Listing(read_ids, max_orders=9),
        budget_bytes=budget_bytes,
    )


def make_idle_memory(*, budget_bytes: int = 10**6) -> Memory:
    """Return one that has nothing to read and needs no loop once it is made."""

    async def make() -> Memory:
        return make_memory(Database().load, budget_bytes=budget_bytes)

    return asyncio.run(make())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(10):
            return await coroutine

    return asyncio.run(bounded())


def version(body: Body | None) -> int | None:
    return None if body is None else int(body.identity.partition(b'"v":')[2].partition(b",")[0])


@contextlib.asynccontextmanager
async def asking(memory: Memory, *targets: int) -> Any:
    """Have orders asked for, in tasks that have begun."""
    tasks = [asyncio.create_task(memory.read(wanted(one), NOTHING)) for one in targets]
    await asyncio.sleep(0)
    yield tasks


def test_many_who_ask_for_one_order_share_its_reading() -> None:
    async def ask() -> tuple[list[int | None], list[list[int]]]:
        database = Database()
        memory = make_memory(database.load)
        async with asking(memory, 7, 7, 7) as tasks:
            database.let_go(0)
            found = [version(await task) for task in tasks]
        found.append(version(await memory.read(wanted(7), NOTHING)))
        return found, database.asked

    assert run(ask()) == ([0, 0, 0, 0], [[7]])


def test_a_reading_that_a_change_made_stale_is_joined_by_nobody_and_kept_for_nobody() -> None:
    async def ask() -> tuple[int | None, int | None, int | None, list[list[int]]]:
        database = Database()
        memory = make_memory(database.load)
        async with asking(memory, 7) as (before,):
            await asyncio.sleep(0)
            memory._apply(changes(7))
            async with asking(memory, 7) as (after,):
                database.let_go(0)
                database.let_go(1)
                old, new = version(await before), version(await after)
        return old, new, version(await memory.read(wanted(7), NOTHING)), database.asked

    assert run(ask()) == (0, 1, 1, [[7], [7]])


@pytest.mark.parametrize("how", ["named", "everything", "forgotten"])
def test_what_was_being_read_when_it_changed_is_not_kept(how: str) -> None:
    async def ask() -> tuple[Body | None, int]:
        database = Database()
        memory = make_memory(database.load)
        async with asking(memory, 7) as (task,):
            await asyncio.sleep(0)
            if how == "forgotten":
                memory._forget_everything()
            else:
                memory._apply(changes(7, everything=how == "everything"))
            database.let_go(0)
            await task
        return memory.recall(wanted(7), NOTHING), memory.held[1]

    assert run(ask()) == (None, 0)


def test_a_change_drops_the_orders_that_it_names_and_no_other() -> None:
    memory = make_idle_memory()
    for one in (1, 2, 3):
        memory._keep(one, Body(b"{}"))
    memory._apply(changes(2))
    assert [memory.recall(wanted(one), NOTHING) is not None for one in (1, 2, 3)] == [True, False, True]
    assert memory.held == (2, 2 * (2 + OWN_BYTES))
    memory._apply(changes(everything=True))
    assert memory.held == (0, 0)


def test_an_order_that_does_not_exist_is_nobodys_and_is_asked_for_again() -> None:
    async def ask() -> tuple[list[Body | None], list[list[int]]]:
        database = Database()
        memory = make_memory(database.load)
        found = []
        for number in range(2):
            async with asking(memory, 100) as (task,):
                database.let_go(number)
                found.append(await task)
        return found, database.asked

    assert run(ask()) == ([None, None], [[100], [100]])


def test_what_is_kept_what_is_read_and_what_is_not_there_are_counted_apart() -> None:
    async def ask() -> Answers:
        database = Database()
        memory = make_memory(database.load)
        for number in range(4):
            database.let_go(number)
        for target in (7, 7, 7, 7, 8, 8, 100, 100):
            await memory.read(wanted(target), NOTHING)
        return memory.answers

    answers = run(ask())
    assert (answers.read, answers.kept, answers.absent) == (2, 4, 2)


def test_those_who_wait_are_told_of_a_failure_and_the_next_is_read_again() -> None:
    async def ask() -> list[object]:
        failures = [OSError("away")]

        async def load(pedido_ids: Sequence[int]) -> dict[int, Body]:
            if failures:
                raise failures.pop()
            return {one: Body(b"{}") for one in pedido_ids}

        memory = make_memory(load)
        async with asking(memory, 1, 2) as tasks:
            told: list[object] = list(await asyncio.gather(*tasks, return_exceptions=True))
        body = await memory.read(wanted(1), NOTHING)
        return [*map(type, told), body is not None, memory._readings._under_way]

    assert run(ask()) == [OSError, OSError, True, {}]


def test_what_comes_while_one_reading_is_under_way_is_read_together_and_so_many_at_a_time() -> None:
    async def ask() -> list[list[int]]:
        database = Database()
        memory = make_memory(database.load)
        async with asking(memory, 0) as first:
            await asyncio.sleep(0)
            async with asking(memory, *range(1, MAX_TOGETHER + 3)) as others:
                for number in range(3):
                    database.let_go(number)
                await asyncio.gather(*first, *others)
        return database.asked

    assert run(ask()) == [[0], list(range(1, MAX_TOGETHER + 1)), [MAX_TOGETHER + 1, MAX_TOGETHER + 2]]


def test_who_gives_up_waiting_takes_the_reading_from_nobody() -> None:
    async def ask() -> int | None:
        database = Database()
        memory = make_memory(database.load)
        async with asking(memory, 7, 7) as (one, other):
            await asyncio.sleep(0)
            one.cancel()
            database.let_go(0)
            return version(await other)

    assert run(ask()) == 0


def test_beyond_the_budget_the_order_that_was_read_longest_ago_goes() -> None:
    async def ask() -> list[bool]:
        memory = make_memory(Database().load, budget_bytes=3 * (10 + OWN_BYTES))
        for one in (1, 2, 3):
            memory._keep(one, Body(b"x" * 10))
        assert memory.held == (3, 3 * (10 + OWN_BYTES)), "what fits was not kept"
        await memory.read(wanted(1), NOTHING)
        memory._keep(4, Body(b"x" * 10))
        assert memory.held == (3, 3 * (10 + OWN_BYTES))
        return [memory.recall(wanted(one), NOTHING) is not None for one in (1, 2, 3, 4)]

    assert run(ask()) == [True, False, True, True]


def test_what_is_made_of_an_order_later_is_counted_too() -> None:
    """Codings, and views of those who see less: all of it stays, and all of it is within the budget."""
    memory = make_idle_memory(budget_bytes=100_000)
    text = b'{"valor_total":"5.00","x":"' + bytes(range(32, 33)) * 600 + b'"}'
    for one in range(100):
        memory._keep(one, Body(text))
    before = memory.held[1]
    for one in list(memory._bodies):
        if body := memory._bodies.get(one):
            body.view(MONEY).encode(GZIP)
    assert memory.held[1] <= 100_000
    assert memory.held[0] < 100
    assert memory.held[1] == sum(body.size for body in memory._bodies.values())
    assert before == 100 * (len(text) + OWN_BYTES) or before <= 100_000
    for one in list(memory._bodies):
        memory._drop(one)
    assert memory.held == (0, 0)


def test_one_order_larger_than_the_budget_is_kept_alone() -> None:
    memory = make_idle_memory(budget_bytes=30)
    memory._keep(1, Body(b"x" * 10))
    memory._keep(2, Body(b"x" * 50))
    assert memory.held == (1, 50 + OWN_BYTES)
    assert memory.recall(wanted(2), NOTHING) is not None
    memory._keep(2, Body(b"x" * 20))
    assert memory.held == (1, 20 + OWN_BYTES)


def test_what_the_asker_may_not_see_is_not_in_what_he_gets() -> None:
    async def ask() -> list[bytes]:
        memory = make_memory(Database().load)
        memory._keep(7, Body(b'{"valor_total":"5.00"}'))
        recalled, read = memory.recall(wanted(), MONEY), await memory.read(wanted(), MONEY)
        assert recalled is not None
        assert read is not None
        whole = memory.recall(wanted(), NOTHING)
        assert whole is not None
        return [recalled.identity, read.identity, whole.identity]

    hidden, again, whole = run(ask())
    assert hidden == again
    assert b"5.00" not in hidden
    assert b"5.00" in whole


def test_a_large_body_is_packed_before_it_is_given_out() -> None:
    async def ask() -> bool:
        memory = make_memory(Database().load)
        memory._keep(7, Body(b"x" * LARGE_BYTES))
        body = await memory.read(wanted(coding=ZSTD), NOTHING)
        return body is not None and body.is_ready(ZSTD)

    assert run(ask())


def test_the_list_is_recalled_by_what_is_hidden_in_it() -> None:
    memory = make_idle_memory()
    memory._listing.bodies = {NOTHING: Body(b"[1]"), MONEY: Body(b"[2]")}
    found = [memory.recall(wanted(LIST), hidden) for hidden in (NOTHING, MONEY, 2)]
    assert [one.identity if one else None for one in found] == [b"[1]", b"[2]", None]
    memory._apply(changes())
    assert memory.recall(wanted(LIST), NOTHING) is not None, "nothing changed"
    memory._apply(changes(5))
    assert memory.recall(wanted(LIST), NOTHING) is None


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("max_age_s", "admitted"), [(None, True), (60.0, True), (5.0, False)])
def test_who_demands_fresher_data_than_there_is_gets_none_of_it(
    max_age_s: float | None, admitted: bool
) -> None:
    memory = make_idle_memory()
    memory._replace_people({"usuarios": {"1": ["ana", False, "geral", 0]}})
    memory._apply(changes(clock=Clock(NOW, NOW, NOW.replace(second=30))))
    assert (memory.admit(wanted(max_age_s=max_age_s)) is not None) is admitted


def test_nobody_is_known_and_nothing_is_fresh_once_all_is_forgotten() -> None:
    memory = make_idle_memory()
    memory._replace_people({"usuarios": {"1": ["ana", False, "geral", 0]}})
    memory._apply(changes(clock=Clock(NOW, NOW, NOW)))
    memory._keep(7, Body(b"{}"))
    assert memory.admit(wanted()) is not None
    memory._forget_everything()
    assert memory.admit(wanted()) is None
    assert memory.clock.arrival() is None
    assert memory.held == (0, 0)


def test_observers_hear_what_changed_and_when_people_did() -> None:
    memory = make_idle_memory()
    heard: list[object] = []

    def hear_names(pedidos: Collection[int]) -> None:
        heard.append(list(pedidos))

    memory.observers.append(heard.append)
    memory.early_observers.append(hear_names)
    memory.people_observers.append(lambda: heard.append("people"))
    change = changes(3)
    memory._name([3, 4])
    memory._apply(change)
    memory._replace_people(None)
    assert heard == [[3, 4], change, "people"]


def test_a_cursor_names_the_databases_life_and_its_snapshot() -> None:
    memory = make_idle_memory()
    memory._apply(changes())
    assert memory.clock.cursor == ""
    memory.feed.snapshot, memory.feed.epoch = "5:9:7", "one"
    memory._apply(changes())
    first = memory.clock.cursor
    assert first == f"{memory.epoch}.{memory.feed.xmin}"
    memory.feed.epoch = "another"
    assert memory.epoch != first.partition(".")[0]
    assert len(memory.epoch) == 12
