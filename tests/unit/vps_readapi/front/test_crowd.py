"""Who may be connected, and who gives way."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from vps_readapi.front.crowd import Crowd

pytestmark = pytest.mark.unit


@dataclass(eq=False)
class Caller:
    """A connection that notes when it had to go."""

    may_go: bool = False
    has_gone: list[bool] = field(default_factory=list)

    def give_way(self) -> None:
        self.has_gone.append(True)


def make_crowd(most: int = 3, most_of_address: int = 2) -> Crowd:
    return Crowd(most, most_of_address, is_exempt=lambda host: host == "127.0.0.1")


def test_an_address_has_so_many_and_a_proxy_as_many_as_there_are() -> None:
    crowd = make_crowd()
    callers = [Caller() for _ in range(5)]
    assert [crowd.admit(one, "198.51.100.1") for one in callers[:3]] == [True, True, False]
    crowd.leave(callers[2])
    crowd.leave(callers[0])
    assert crowd.admit(callers[2], "198.51.100.1")
    assert crowd.admit(callers[3], "127.0.0.1")
    assert not crowd.admit(callers[4], "127.0.0.1"), "beyond all that there may be"
    assert (len(crowd), crowd.refused) == (3, 2)


def test_a_network_of_ipv6_is_one_address() -> None:
    crowd = make_crowd()
    assert [crowd.admit(Caller(), f"2001:db8::{one}") for one in (1, 2, 3)] == [True, True, False]
    assert crowd.admit(Caller(), "2001:db8:0:1::1")


def test_an_address_that_has_all_its_places_gives_way_to_itself() -> None:
    crowd = make_crowd(most=9)
    callers = [Caller(), Caller(may_go=True), Caller()]
    elsewhere = Caller(may_go=True)
    assert crowd.admit(elsewhere, "198.51.100.9")
    assert all(crowd.admit(one, "198.51.100.1") for one in callers)
    assert [bool(one.has_gone) for one in (*callers, elsewhere)] == [False, True, False, False]


def test_strangers_who_do_nothing_give_way_the_first_first() -> None:
    crowd = make_crowd(most_of_address=9)
    known, first, second = Caller(), Caller(may_go=True), Caller(may_go=True)
    for one in (known, first, second):
        assert crowd.admit(one, "198.51.100.1")
    assert crowd.admit(Caller(), "198.51.100.2")
    assert (known.has_gone, first.has_gone, second.has_gone) == ([], [True], [])
    crowd.leave(first)
    assert len(crowd) == 3, "who had to go was counted down twice"
    assert crowd.admit(Caller(), "198.51.100.2")
    assert not crowd.admit(Caller(), "198.51.100.2"), "nobody is left who may go"
    assert (crowd.displaced, crowd.refused) == (2, 1)
