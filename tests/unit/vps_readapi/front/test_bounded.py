"""How long a connection may take over what it says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from vps_readapi.front import bounded
from vps_readapi.front.bounded import BoundedProtocol
from vps_readapi.front.crowd import Crowd

pytestmark = pytest.mark.unit


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answer once the body is whole."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextlib.asynccontextmanager
async def listening(most: int = 9) -> AsyncIterator[int]:
    """A server with bounds; gives its port."""
    config = Config(serve, lifespan="off", access_log=False, log_config=None, timeout_keep_alive=60)
    config.load()
    kind = type("Connection", (BoundedProtocol,), {"crowd": Crowd(most, most, is_exempt=lambda _: False)})
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


SLOW = {
    "nothing at all": b"",
    "a part of a head": b"GET / HTTP/1.1\r\nhost: x\r\n",
    "a part of a body": b"PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc",
}


@pytest.mark.parametrize("case", SLOW)
def test_who_does_not_come_to_an_end_is_let_go(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_HEAD_S", "MAX_MESSAGE_S", "LOOK_S"):
        monkeypatch.setattr(bounded, name, 0.05)

    async def run() -> None:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(SLOW[case])
            assert await asyncio.wait_for(reader.read(), 30) == b""
            writer.close()

    asyncio.run(run())


def test_who_drips_is_let_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_HEAD_S", 0.2)
    monkeypatch.setattr(bounded, "LOOK_S", 0.05)

    async def run() -> None:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n")
            ended = asyncio.create_task(reader.read())
            with contextlib.suppress(ConnectionError):
                while not ended.done():
                    writer.write(b"a: b\r\n")
                    await asyncio.sleep(0.02)
            with contextlib.suppress(ConnectionError):  # what it said last met a closed door
                assert await asyncio.wait_for(ended, 30) == b""
            writer.close()

    asyncio.run(run())


def test_a_whole_request_is_answered_and_the_connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_HEAD_S", 0.1)
    monkeypatch.setattr(bounded, "LOOK_S", 0.02)

    async def run() -> None:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30))[:12] == b"HTTP/1.1 204"
                await asyncio.sleep(0.3)  # longer than a silent one lives
            writer.close()

    asyncio.run(run())


def test_whoever_does_nothing_gives_way_to_whoever_comes() -> None:
    async def run() -> None:
        async with listening(most=2) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.readline(), 30)).startswith(b"HTTP/1.1 204")
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(idle[0][0].read(), 30) == b""
            for one in (writer, *(other for _, other in idle)):
                one.close()

    asyncio.run(run())
