"""An order that is not in memory, asked for on the short way: waited for there, and read and counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from vps_readapi.auth.tokens import Claims, TokenKeys, Tokens
from vps_readapi.auth.verifier import TokenVerifier
from vps_readapi.database import DatabaseTimeoutError
from vps_readapi.front.crowd import Crowd
from vps_readapi.front.every_answer import EveryAnswer
from vps_readapi.front.from_memory import MemoryLayer
from vps_readapi.front.request import Requests
from vps_readapi.front.short_way import ShortWayProtocol
from vps_readapi.front.turns import Turns
from vps_readapi.limits import Limits
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.memory import Answers, Memory
from vps_readapi.memory.people import People
from vps_readapi.memory.sql import Changes, Clock
from vps_readapi.pedidos.visibility import VisibilityPolicy

pytestmark = pytest.mark.unit

T = TypeVar("T")
TOKENS = Tokens(TokenKeys("t1", {"t1": b"t" * 32}), timedelta(days=1))
TOKEN = TOKENS.issue(Claims(1, "ana"), credential_at=0)
GET = "GET /pedidos/%d HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + TOKEN + "\r\n\r\n"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


class Wire(asyncio.Transport):
    """A connection's other end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self._woken = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self._woken.set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True
        self._woken.set()

    async def wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._woken.clear()
            await self._woken.wait()


class Connection(ShortWayProtocol):
    """One of a process that has room."""

    crowd = Crowd(1000, 1000, is_exempt=lambda _: False)


class Shop:
    """An API whose database has order 7 alone, and says so once it is let go."""

    def __init__(self, *, fails: bool = False, burst: int = 100) -> None:
        self.loaded: list[int] = []
        self.let_go = asyncio.Event()
        self.long_way = 0
        self.is_silent = False
        """Whether it does not say by itself what changed, and leaves it to who `asked`."""
        self.asked: list[Callable[[bool], None]] = []
        self.limits = Limits(per_second=0.001, burst=burst)
        self._fails = fails

        async def read_ids(_limit: int) -> Sequence[int]:
            return ()

        self.memory = Memory(
            "",
            people=People(VisibilityPolicy.of()),
            load=self._load,
            listing=Listing(read_ids, max_orders=9),
            budget_bytes=10**6,
        )
        self.memory.people.replace({"usuarios": {"1": ["ana", False, "geral", 0]}})
        self.memory.feed.confirm = self._confirm  # type: ignore[method-assign]
        self.see(5)
        config = Config(
            EveryAnswer(MemoryLayer(self._serve)), lifespan="off", access_log=False, log_config=None
        )
        config.load()
        state = {
            "memory": self.memory,
            "requests": Requests(TokenVerifier(TOKENS), cors_origins=["*"]),
            "limits": self.limits,
            "turns": Turns(),
        }
        self.connection = Connection(config=config, server_state=ServerState(), app_state=state)
        self.wire = Wire()
        self.connection.connection_made(self.wire)

    def see(self, xid: int, *pedidos: int) -> None:
        """Have a transaction become known, with what it changed."""
        self.memory.feed.snapshot = f"{xid}:{xid}:"
        self.memory._apply(Changes(pedidos, (), sessoes=False, clock=Clock()))

    async def _load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        self.loaded += pedido_ids
        await self.let_go.wait()
        if self._fails:
            raise DatabaseTimeoutError
        return {one: Body(b'{"id":7}') for one in pedido_ids if one == 7}

    def _confirm(self, done: Callable[[bool], None]) -> None:
        if self.is_silent:
            self.asked.append(done)
        else:
            asyncio.get_running_loop().call_soon(done, True)

    async def _serve(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Be the application behind the memory."""
        self.long_way += 1
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(self, *pedido_ids: int) -> None:
        """Ask for orders, in one packet each; return once the first is being read."""
        for one in pedido_ids:
            self.connection.data_received((GET % one).encode())
        while self.connection._reading is None:  # noqa: ASYNC110  # some turns of the loop
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # it waits now

    async def answers(self, number: int = 1) -> list[bytes]:
        """Let the database go; return the status lines once there are so many."""
        self.let_go.set()
        await self.wire.wait(lambda: self.wire.written.count(b"HTTP/1.1 ") >= number)
        return [one.split(b"\r\n")[0] for one in self.wire.written.split(b"HTTP/1.1 ")[1:]]


def test_an_order_that_is_not_there_is_looked_for_and_counted_once() -> None:
    async def ask() -> None:
        shop = Shop(burst=2)
        await shop.ask(8)
        assert await shop.answers() == [b"404 Not Found"]
        assert (shop.loaded, shop.memory.answers, shop.long_way) == ([8], Answers(absent=1), 0)
        assert (shop.limits.take("1"), shop.limits.take("1") > 0) == (0, True)

    run(ask())


def test_who_has_asked_for_too_much_is_told_so_and_nothing_is_read_for_him() -> None:
    async def ask() -> None:
        shop = Shop(burst=1)
        await shop.ask(7)
        await shop.answers()
        shop.connection.data_received((GET % 8).encode())
        assert await shop.answers(2) == [b"200 OK", b"429 Too Many Requests"]
        assert shop.loaded == [7]

    run(ask())


def test_a_database_that_does_not_answer_is_asked_once_and_told_in_a_sentence() -> None:
    async def ask() -> None:
        shop = Shop(fails=True)
        await shop.ask(7)
        assert await shop.answers() == [b"503 Service Unavailable"]
        assert b"application/problem+json" in shop.wire.written
        assert shop.loaded == [7]

    run(ask())


@pytest.mark.parametrize(("changed", "cursor"), [((), 6), ((7,), 5)])
def test_an_answer_has_no_cursor_that_is_newer_than_what_was_read(
    changed: tuple[int, ...], cursor: int
) -> None:
    async def ask() -> None:
        shop = Shop()
        await shop.ask(7)
        shop.see(6, *changed)
        assert await shop.answers() == [b"200 OK"]
        assert b"sync-cursor: %s.%d\r\n" % (shop.memory.epoch.encode(), cursor) in shop.wire.written
        assert shop.loaded == [7]

    run(ask())


def test_what_is_asked_while_an_order_is_read_is_answered_after_it() -> None:
    async def ask() -> None:
        shop = Shop()
        await shop.ask(7, 8, 7)
        assert await shop.answers(3) == [b"200 OK", b"404 Not Found", b"200 OK"]

    run(ask())


@pytest.mark.parametrize("pedido_id", [7, 8])
def test_a_process_that_stops_answers_first_and_then_closes(pedido_id: int) -> None:
    async def ask() -> None:
        shop = Shop()
        await shop.ask(pedido_id)
        assert not shop.connection.may_go
        shop.connection.shutdown()
        assert not shop.wire.closed
        await shop.answers()
        await shop.wire.wait(lambda: shop.wire.closed)

    run(ask())


def test_who_has_gone_is_written_nothing() -> None:
    async def ask() -> None:
        shop = Shop()
        await shop.ask(7)
        shop.wire.closed = True
        shop.let_go.set()
        while shop.connection._pending is not None:  # noqa: ASYNC110  # some turns of the loop
            await asyncio.sleep(0)
        assert shop.wire.written == b""

    run(ask())


def test_an_order_is_read_while_it_is_asked_what_changed_and_counts_as_read() -> None:
    async def ask() -> None:
        shop = Shop(burst=2)
        shop.is_silent = True
        shop.let_go.set()
        shop.connection.data_received((GET % 7).encode())
        while not shop.memory.holds(7):  # noqa: ASYNC110  # some turns of the loop
            await asyncio.sleep(0)
        assert shop.wire.written == b"", "it was answered before it was known what changed"
        shop.asked.pop()(True)
        assert await shop.answers() == [b"200 OK"]
        assert (shop.loaded, shop.memory.answers) == ([7], Answers(read=1))
        assert (shop.limits.take("1"), shop.limits.take("1") > 0) == (0, True)

    run(ask())


def test_what_is_read_early_is_not_given_to_whose_session_has_ended_meanwhile() -> None:
    async def ask() -> None:
        shop = Shop()
        shop.is_silent = True
        shop.connection.data_received((GET % 7).encode())
        shop.memory.people.replace(None)
        shop.asked.pop()(True)
        assert [one[:3] for one in await shop.answers()] == [b"418"]

    run(ask())


def test_nothing_is_read_for_whose_session_had_ended_before() -> None:
    async def ask() -> None:
        shop = Shop()
        shop.memory.people.replace(None)
        shop.connection.data_received((GET % 7).encode())
        assert [one[:3] for one in await shop.answers()] == [b"418"]
        assert shop.loaded == []

    run(ask())


def test_what_nothing_is_known_of_takes_the_long_way_and_is_counted_once() -> None:
    async def ask() -> None:
        shop = Shop(burst=2)
        shop.is_silent = True
        shop.connection.data_received((GET % 7).encode())
        shop.asked.pop()(False)
        assert [one[:3] for one in await shop.answers()] == [b"418"]
        assert (shop.limits.take("1"), shop.limits.take("1") > 0) == (0, True)

    run(ask())


def test_an_order_that_turns_out_to_have_changed_is_waited_for_too() -> None:
    async def ask() -> None:
        shop = Shop(burst=3)
        await shop.ask(7)
        await shop.answers()
        shop.is_silent = True
        shop.connection.data_received((GET % 7).encode())
        shop.see(6, 7)
        shop.asked.pop()(True)
        assert await shop.answers(2) == [b"200 OK"] * 2
        assert (shop.loaded, shop.long_way) == ([7, 7], 0)
        assert [shop.limits.take("1") > 0 for _ in range(2)] == [False, True]

    run(ask())
