"""What a request costs: one confirmation, one look at the database, and a count of what answered it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from vps_readapi.auth.tokens import Claims, TokenKeys, Tokens
from vps_readapi.auth.verifier import TokenVerifier
from vps_readapi.front.crowd import Crowd
from vps_readapi.front.from_memory import MemoryLayer
from vps_readapi.front.once import CONFIRMED
from vps_readapi.front.request import Requests
from vps_readapi.front.short_way import ShortWayProtocol
from vps_readapi.front.turns import Turns
from vps_readapi.limits import Limits
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.listing import Listing
from vps_readapi.memory.memory import Answers, Memory
from vps_readapi.memory.people import People
from vps_readapi.pedidos.visibility import VisibilityPolicy

pytestmark = pytest.mark.unit

TOKENS = Tokens(TokenKeys("t1", {"t1": b"t" * 32}), timedelta(days=1))
TOKEN = TOKENS.issue(Claims(1, "ana"), credential_at=0)
FIELDS = f"host: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n"


class Shop:
    """The state of an API whose database has order 7 alone; what is asked of it is noted."""

    def __init__(self, *, away: bool = False) -> None:
        self.loaded: list[list[int]] = []
        self.confirmations = 0
        self.passed_on: list[tuple[str, bool]] = []
        """With whether somebody had asked for it already."""
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._away = away

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
        self.state: dict[str, Any] = {
            "memory": self.memory,
            "requests": Requests(TokenVerifier(TOKENS), cors_origins=["*"]),
            "limits": Limits(per_second=1, burst=100),
            "turns": Turns(),
        }

    async def _load(self, pedido_ids: Sequence[int]) -> dict[int, Body]:
        self.loaded.append(list(pedido_ids))
        return {one: Body(b'{"id":7}') for one in pedido_ids if one == 7}

    def _confirm(self, done: Callable[[bool], None]) -> None:
        self.confirmations += 1
        asyncio.get_running_loop().call_soon(done, not self._away)

    async def serve(self, scope: Scope, _: Receive, send: Send) -> None:
        """Be the application behind the memory."""
        self.passed_on.append((scope["path"], CONFIRMED in scope["state"]))
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(self, path: str) -> int:
        """Ask as a phone whose request the server has understood; return the status."""
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
            "state": self.state.copy(),
        }
        await MemoryLayer(self.serve)(scope, receive, send)
        return statuses[0]


def test_an_order_that_is_not_there_costs_one_confirmation_and_one_look() -> None:
    async def run() -> None:
        shop = Shop()
        assert await shop.ask("/pedidos/8") == 404
        assert (shop.confirmations, shop.loaded, shop.passed_on) == (1, [[8]], [])

    asyncio.run(run())


def test_what_answers_is_counted() -> None:
    async def run() -> None:
        shop = Shop()
        assert [await shop.ask(f"/pedidos/{one}") for one in (7, 7, 8, 7)] == [200, 200, 404, 200]
        assert shop.memory.answers == Answers(kept=2, read=1, absent=1)

    asyncio.run(run())


class Wire(asyncio.Transport):
    """A connection's other end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self.ended.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


class Connection(ShortWayProtocol):
    """One of a process that has room."""

    crowd = Crowd(10, 10, is_exempt=lambda _: False)


async def send_bytes(shop: Shop, *targets: str) -> list[bytes]:
    """Ask over one connection, as phones do, one request after the other; return the status lines."""
    config = Config(MemoryLayer(shop.serve), lifespan="off", access_log=False, log_config=None)
    config.load()
    protocol = Connection(config=config, server_state=ServerState(), app_state=shop.state)
    wire = Wire()
    protocol.connection_made(wire)
    answers = []
    for target in targets:
        wire.written = b""
        wire.ended.clear()
        protocol.data_received(f"GET {target} HTTP/1.1\r\n{FIELDS}".encode())
        await asyncio.wait_for(wire.ended.wait(), 30)
        answers.append(wire.written.split(b"\r\n")[0])
        async with asyncio.timeout(30):
            while not protocol._is_at_rest:  # noqa: ASYNC110  # some turns of the loop
                await asyncio.sleep(0)
    return answers


@pytest.mark.parametrize(("away", "passed_on"), [(False, []), (True, [("/pedidos/8", True)])])
def test_the_short_way_asks_for_the_long_way_too(away: bool, passed_on: list[tuple[str, bool]]) -> None:
    async def run() -> None:
        shop = Shop(away=away)
        await send_bytes(shop, "/pedidos/8")
        assert (shop.confirmations, shop.passed_on) == (1, passed_on)

    asyncio.run(run())


def test_each_request_of_a_connection_is_confirmed_for_itself_and_counted() -> None:
    async def run() -> None:
        shop = Shop()
        answers = await send_bytes(shop, "/pedidos/7", "/pedidos/7", "/pedidos/7?x=1", "/pedidos/7")
        assert [one.split()[1] for one in answers] == [b"200", b"200", b"418", b"200"]
        assert (shop.confirmations, shop.loaded) == (3, [[7]])
        assert shop.passed_on == [("/pedidos/7", False)], "an earlier request's word was taken for its own"
        assert shop.memory.answers == Answers(kept=2, read=1)

    asyncio.run(run())
