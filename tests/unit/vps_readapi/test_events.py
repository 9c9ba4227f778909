"""The streams of events: where a client is told to go on, and how many there may be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from vps_readapi import events
from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.database import Database
from vps_readapi.events import Events, FullError, UserFullError
from vps_readapi.memory.clock import FreshnessClock
from vps_readapi.memory.memory import Memory
from vps_readapi.memory.people import People
from vps_readapi.memory.sql import Changes, Clock
from vps_readapi.pedidos.visibility import VisibilityPolicy

pytestmark = pytest.mark.unit

TOKEN = Verified(Claims(1, "admin"), 2**40, 0, 0, b"")


def make_memory() -> Memory:
    """Return a memory that knows one user and has heard of `e.1`; nothing feeds it."""
    memory = Memory.__new__(Memory)
    memory.clock = FreshnessClock()
    memory.clock.take(Clock(), "e.1")
    memory.people = People(VisibilityPolicy.of())
    memory.people.replace({"usuarios": {"1": ["admin", True, "geral", 0]}})
    memory.observers, memory.early_observers, memory.people_observers = [], [], []
    return memory


def make_events(memory: Memory) -> Events:
    return Events(memory, cast("Database", None), max_streams=3, max_of_user=2)


def hear(memory: Memory, cursor: str, *pedidos: int) -> None:
    """Let the memory hear of a change."""
    memory.clock.take(Clock(), cursor)
    for observe in memory.observers:
        observe(Changes(pedidos, (), False, Clock(), untold=pedidos))


def read_ids(frames: bytes) -> list[bytes]:
    return [line[4:] for line in frames.split(b"\n") if line.startswith(b"id: ")]


def test_a_pulse_names_where_its_client_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PULSE_S", 0)
    memory = make_memory()
    streams = make_events(memory)

    async def run() -> list[bytes]:
        stream = streams.follow(streams.join(TOKEN, since=""))
        first = await anext(stream)
        hear(memory, "e.2")  # something that is no order's, such as a beat
        quiet = await anext(stream)
        hear(memory, "e.3", 7)
        return [first, quiet, await anext(stream), await anext(stream)]

    first, quiet, told, after = asyncio.run(run())
    assert [read_ids(one) for one in (first, quiet, told, after)] == [[b"e.1"], [b"e.2"], [b"e.3"], [b"e.3"]]
    assert b"event: pedidos\n" in told


def test_a_pulse_does_not_pass_over_what_its_client_is_owed() -> None:
    streams = make_events(make_memory())

    async def run() -> bytes:
        return await anext(streams.follow(streams.join(TOKEN, since="e.0")))

    assert read_ids(asyncio.run(run())) == []


def test_one_user_leaves_places_for_the_others() -> None:
    streams = make_events(make_memory())
    other, third = (replace(TOKEN, claims=Claims(n, "")) for n in (2, 3))
    mine = [streams.join(TOKEN, since="") for _ in range(2)]
    with pytest.raises(UserFullError):
        streams.join(TOKEN, since="")
    streams.join(other, since="")
    with pytest.raises(FullError):
        streams.join(third, since="")
    streams.leave(mine[0])
    streams.join(TOKEN, since="")
    assert streams.open == 3
