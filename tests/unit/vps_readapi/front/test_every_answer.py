"""The cursor of an answer is from before its content was read."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from vps_readapi.front.every_answer import EveryAnswer
from vps_readapi.memory.clock import FreshnessClock
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.sql import Clock

pytestmark = pytest.mark.unit


def test_what_is_heard_while_an_answer_is_made_does_not_move_its_cursor() -> None:
    memory = Memory.__new__(Memory)
    memory.clock = FreshnessClock()
    memory.clock.take(Clock(), "e.1")
    sent: list[Message] = []

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        memory.clock.take(Clock(), "e.2")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {"memory": memory}}
    asyncio.run(EveryAnswer(answer)(scope, receive, send))
    assert dict(sent[0]["headers"])[b"sync-cursor"] == b"e.1"
