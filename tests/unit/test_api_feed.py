"""The feed's bookkeeping, without a database: nobody is left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import pytest
from psycopg import pq

from vps_readapi.memory.feed import Feed
from vps_readapi.memory.sql import Changes

pytestmark = pytest.mark.unit


def make_feed(name: Callable[[Collection[int]], None] = lambda _: None) -> Feed:
    """Return a feed that was never connected; a loop must run."""

    def take(_: Changes) -> None: ...

    def replace(_: Any) -> None: ...

    return Feed("", apply=take, replace_people=replace, flush=lambda: None, name=name)


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


def test_what_is_named_is_told_at_once_unless_something_must_be_known_before() -> None:
    told: list[list[int]] = []

    async def run() -> None:
        feed = make_feed(lambda pedidos: told.append(list(pedidos)))
        feed.snapshot = "5:5:"
        feed._name_at_once([(9, 5), (7, 5), (9, 6), (6, 4)])  # the last has been told with the snapshot
        assert feed._told == {(9, 5), (7, 5), (9, 6)}
        feed._name_at_once([(1, 7), None])  # somebody's session may have ended, or many orders changed
        feed._busy = True
        feed._name_at_once([(2, 8)])
        feed._busy, feed._waiting = False, [lambda _: None]
        feed._name_at_once([(3, 8)])
        feed._waiting, feed._people_due = [], True
        feed._name_at_once([(4, 8)])
        feed._people_due, feed._begins_again = False, True
        feed._name_at_once([(5, 8)])

    asyncio.run(run())
    assert told == [[7, 9]]
