"""Whose word counts about where a request comes from."""

from __future__ import annotations

import logging

import pytest
from starlette.types import Scope

from vps_readapi.addresses import find_network
from vps_readapi.front.proxies import Proxies


def ask(peer: str, *forwarded: str, name: bytes = b"x-forwarded-for") -> Scope:
    return {"client": (peer, 1), "headers": [(name, one.encode("latin-1")) for one in forwarded]}


CASES = {
    "no proxy": (ask("198.51.100.1", "203.0.113.9"), "198.51.100.1"),
    "one": (ask("127.0.0.1", "203.0.113.9"), "203.0.113.9"),
    "the client wrote one too": (ask("127.0.0.1", "6.6.6.6, 203.0.113.9"), "203.0.113.9"),
    "two lines": (ask("127.0.0.1", "6.6.6.6", "203.0.113.9"), "203.0.113.9"),
    "two proxies": (ask("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.7"), "203.0.113.9"),
    "all are proxies": (ask("127.0.0.1", "10.0.0.7"), "127.0.0.1"),
    "nonsense": (ask("127.0.0.1", "203.0.113.9, <script>"), "127.0.0.1"),
    "with a port": (ask("127.0.0.1", "203.0.113.9:4711"), "203.0.113.9"),
    "IPv6": (ask("127.0.0.1", "2001:db8::1"), "2001:db8::1"),
    "IPv6 with a port": (ask("127.0.0.1", "[2001:db8::1]:80"), "2001:db8::1"),
    "IPv4 in IPv6": (ask("::ffff:127.0.0.1", "::ffff:203.0.113.9"), "203.0.113.9"),
    "another field": (ask("127.0.0.1", "203.0.113.9", name=b"x-real-ip"), "127.0.0.1"),
    "a great many": (ask("127.0.0.1", ", ".join(["10.0.0.7"] * 5000)), "127.0.0.1"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_address_that_is_no_proxys_counts(case: str) -> None:
    scope, client = CASES[case]
    assert Proxies(["127.0.0.1", "10.0.0.0/24"]).find_client(scope) == client


def test_with_none_declared_the_sender_counts(caplog: pytest.LogCaptureFixture) -> None:
    proxies = Proxies([])
    with caplog.at_level(logging.WARNING):
        assert proxies.find_client(ask("127.0.0.1", "203.0.113.9")) == "127.0.0.1"
        assert proxies.find_client(ask("127.0.0.1", "203.0.113.9")) == "127.0.0.1"
        assert proxies.find_client(ask("8.8.8.8", "203.0.113.9")) == "8.8.8.8"
    assert [one.getMessage() for one in caplog.records] == ["proxy_undeclared"]


def test_a_proxy_that_sends_none_is_named_and_what_passes_through_it_is_not_believed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxies = Proxies(["127.0.0.1"])
    with caplog.at_level(logging.WARNING):
        assert proxies.find_client(ask("127.0.0.1")) == "127.0.0.1"
        assert proxies.find_client(ask("127.0.0.1", "203.0.113.9")) == "127.0.0.1"
    [record] = caplog.records
    assert record.getMessage() == "proxy_sends_no_address"
    assert record.__dict__["fields"]["proxy"] == "127.0.0.1"


def test_one_household_of_ipv6_is_one() -> None:
    assert find_network("2001:db8:1:2::1") == find_network("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64"
