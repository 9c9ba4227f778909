"""The feed's bookkeeping, without a database: nobody is left waiting."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection
from typing import Any, cast

import pytest

from vps_readapi.memory.connection import FeedConnection
from vps_readapi.memory.feed import Feed
from vps_readapi.memory.sql import Changes
from vps_readapi.memory.stages import Owed, Stage
from vps_readapi.memory.waiting import Waiting

pytestmark = pytest.mark.unit


def make_feed(
    name: Callable[[Collection[int]], None] = lambda _: None,
    take: Callable[[Changes], object] = lambda _: None,
) -> Feed:
    """Return a feed that was never connected; a loop must run."""

    def apply(changes: Changes) -> None:
        take(changes)

    def replace(_: Any) -> None: ...

    return Feed("", apply=apply, replace_people=replace, flush=lambda: None, name=name)


def test_a_connection_whose_socket_is_closed_already_can_be_given_up() -> None:
    """Once: its number is another's by the second time."""

    async def run() -> tuple[Exception, bool]:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            number = os.dup(one.fileno())
            loop.add_reader(number, lambda: None)
            connection = FeedConnection.__new__(FeedConnection)
            connection._loop, connection._descriptor = loop, number
            connection._lost, connection._why = asyncio.Event(), None
            os.close(number)
            connection.lose(TimeoutError())
            os.dup2(other.fileno(), number)
            loop.add_reader(number, lambda: None)
            connection.lose()
            still_read = loop.remove_reader(number)
            os.close(number)
            return await connection.wait_lost(), still_read

    why, still_read = asyncio.run(run())
    assert isinstance(why, TimeoutError)
    assert still_read


@pytest.mark.parametrize("known", [True, False])
def test_who_fails_to_take_a_confirmation_keeps_it_from_nobody(known: bool) -> None:
    told: list[bool] = []
    reported: list[str] = []

    def refuse(_: bool) -> None:
        raise ValueError

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, found: reported.append(found["message"]))
        waiting = Waiting(loop)
        waiting.join(refuse)
        waiting.join(told.append)
        waiting.begin()
        waiting.end(known)

    asyncio.run(run())
    assert (told, len(reported)) == ([known], 1)


def test_who_comes_while_a_question_is_under_way_waits_for_the_next() -> None:
    told: list[tuple[str, bool]] = []

    async def run() -> list[int]:
        waiting = Waiting(asyncio.get_running_loop())
        waiting.join(lambda known: told.append(("first", known)))
        waiting.begin()
        waiting.join(lambda known: told.append(("second", known)))
        before = len(waiting)
        waiting.end(True)
        waiting.begin()
        waiting.ask_again()  # the connection was lost
        after = len(waiting)
        waiting.give_up_late(60)
        waiting.give_up_late(-1)
        return [before, after, len(waiting)]

    assert asyncio.run(run()) == [1, 1, 0]
    assert told == [("first", True), ("second", False)]


def test_what_is_named_is_told_at_once_unless_something_must_be_known_before() -> None:
    told: list[list[int]] = []

    async def run() -> None:
        feed = make_feed(lambda pedidos: told.append(list(pedidos)))
        feed.snapshot, feed._stage = "5:5:", Stage.IDLE
        assert feed._name_at_once([(9, 5), (7, 5), (9, 6), (6, 4)])  # the last was told with the snapshot
        assert feed._told == {(9, 5), (7, 5), (9, 6)}
        assert not feed._name_at_once([(1, 7), None])  # a session may have ended, or many orders changed
        for stage in set(Stage) - {Stage.IDLE}:
            feed._stage = stage
            assert not feed._name_at_once([(2, 8)])
        for owed in (Owed.PEOPLE, Owed.ORDERS):
            feed._stage, feed._owed = Stage.IDLE, owed
            assert not feed._name_at_once([(3, 8)])

    asyncio.run(run())
    assert told == [[7, 9]]


class Answers:
    """What a connection is asked, in the place of one."""

    def __init__(self, feed: Feed) -> None:
        self.asked: list[str] = []
        self.heard = asyncio.Event()
        feed._connection = cast("FeedConnection", self)
        feed._stage = Stage.IDLE

    def ask(self, name: bytes, *_: bytes) -> None:
        self.asked.append(name.decode())
        self.heard.set()

    def lose(self, _: Exception) -> None:
        self.asked.append("lost")


CHANGED = b'{"pedidos":[[7,5]],"sumiram":[],"sessoes":true,"beat_at":null,"received_at":null,"clock":null}'


def test_a_question_goes_through_its_stages_and_answers_those_who_came_before_it() -> None:
    told: list[str] = []

    async def run() -> list[Stage]:
        feed = make_feed()
        answers = Answers(feed)
        stages = [feed._stage]
        feed.confirm(lambda _: told.append("first"))
        stages.append(feed._stage)
        await asyncio.wait_for(answers.heard.wait(), 30)
        stages.append(feed._stage)
        feed.confirm(lambda _: told.append("second"))
        feed._take([b"9:9:", CHANGED])  # somebody's session may have ended
        stages.append(feed._stage)
        told.append("people")
        feed._take([b"null"])
        stages.append(feed._stage)
        assert (answers.asked, feed.snapshot) == (["ponte_confirm", "ponte_people"], "9:9:")
        feed._lose(TimeoutError())
        return [*stages, feed._stage]

    assert asyncio.run(run()) == [
        Stage.IDLE,
        Stage.GATHERING,
        Stage.ASKING,
        Stage.ASKING_PEOPLE,
        Stage.GATHERING,  # for whom came meanwhile
        Stage.AWAY,
    ]
    assert told == ["people", "first"]


def test_what_was_forgotten_counts_as_a_change_of_every_order_once() -> None:
    heard: list[tuple[int, ...] | None] = []

    async def run() -> None:
        feed = make_feed(take=lambda changes: heard.append(changes.pedidos))
        Answers(feed)
        feed._owed |= Owed.ORDERS
        for _ in range(2):
            feed._ask()
            feed._take([b"9:9:", CHANGED])
            feed._take([b"null"])

    asyncio.run(run())
    assert heard == [None, (7,)]


def test_nobody_waits_for_a_database_that_has_been_away_for_long() -> None:
    async def run() -> bool:
        return await asyncio.wait_for(make_feed().confirmed(), 30)

    assert asyncio.run(run()) is False
