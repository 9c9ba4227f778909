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
