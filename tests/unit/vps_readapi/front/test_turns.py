"""Whole lists go out one at a time to each user."""

from __future__ import annotations

import asyncio

import pytest

from vps_readapi.errors import ProblemError
from vps_readapi.front.turns import Turns

pytestmark = pytest.mark.unit


def test_a_user_has_one_turn_and_all_have_so_many() -> None:
    async def run() -> None:
        turns = Turns(2, wait_s=0.02)
        assert [turns.begin(user_id) for user_id in (1, 1, 2, 3)] == [True, False, True, False]
        for user_id, status in ((1, 429), (3, 503)):
            with pytest.raises(ProblemError) as refused:
                async with turns.hold(user_id):
                    pass
            assert (refused.value.status, refused.value.headers) == (status, {"Retry-After": "2"})
        turns.end(1)
        assert turns.begin(3)

    asyncio.run(run())


def test_who_waits_comes_in_when_a_turn_ends() -> None:
    async def run() -> None:
        turns = Turns(wait_s=30)
        assert turns.begin(1)

        async def ask() -> str:
            async with turns.hold(1):
                return "sent"

        waiting = [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0)
        turns.end(1)
        assert await asyncio.wait_for(asyncio.gather(*waiting), 30) == ["sent"] * 3
        assert turns.begin(1)

    asyncio.run(run())
