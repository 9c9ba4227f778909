"""The feed's bookkeeping, without a database: nobody is left waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg import pq

from vps_readapi.memory.feed import Feed
from vps_readapi.memory.sql import Changes

pytestmark = pytest.mark.unit


def make_feed() -> Feed:
    """Return a feed that was never connected; a loop must run."""

    def take(_: Changes) -> None: ...

    def replace(_: Any) -> None: ...

    return Feed("", apply=take, replace_people=replace, flush=lambda: None)


def test_a_session_whose_socket_is_closed_already_can_be_given_up() -> None:
    async def run() -> bool:
        feed = make_feed()
        feed._pgconn = pq.PGconn.connect(b"host=/nowhere")  # has failed, as one that the server closed has
        feed._lose()
        return feed._lost.is_set()

    assert asyncio.run(run())


@pytest.mark.parametrize("known", [True, False])
def test_who_fails_to_take_a_confirmation_keeps_it_from_nobody(known: bool) -> None:
    told: list[bool] = []
    reported: list[str] = []

    def refuse(_: bool) -> None:
        raise ValueError

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, found: reported.append(found["message"]))
        feed = make_feed()
        feed._asked = [refuse, told.append]
        if known:
            feed._finish()
        else:
            feed._fail(feed._asked)

    asyncio.run(run())
    assert (told, len(reported)) == ([known], 1)
