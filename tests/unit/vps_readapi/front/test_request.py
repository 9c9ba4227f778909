"""Requests that memory may answer: what is understood, and what is left to the server's own parser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from vps_readapi.auth.tokens import Claims, TokenError, TokenKeys, Tokens, Verified
from vps_readapi.auth.verifier import NoTokenError, TokenVerifier
from vps_readapi.front.request import Requests, choose_coding, read_etags, read_max_age
from vps_readapi.limits import Limits
from vps_readapi.memory.bodies import BROTLI, GZIP, IDENTITY, ZSTD, Body
from vps_readapi.memory.sql import forget_since, read_xmin
from vps_readapi.memory.wanted import LIST, Wanted

pytestmark = pytest.mark.unit

TOKENS = Tokens(TokenKeys("t1", {"t1": b"t" * 32}), timedelta(days=1))
TOKEN = TOKENS.issue(Claims(7, "ana"))
AUTHORIZATION = f"Authorization: Bearer {TOKEN}"


def read(*lines: str, first: str = "GET /pedidos/12 HTTP/1.1", host: str = "Host: x") -> Wanted | None:
    request = "\r\n".join((first, host, *lines)) + "\r\n\r\n"
    return Requests(TokenVerifier(TOKENS), cors_origins=["*"]).read_bytes(request.encode("latin-1"))


def test_an_order_and_the_list_are_understood() -> None:
    wanted = read(AUTHORIZATION, "Accept-Encoding: gzip, br", 'If-None-Match: "a", W/"b"', "Sync-Max-Age: 9")
    assert wanted is not None
    assert (wanted.target, wanted.token.claims.user_id, wanted.coding, wanted.max_age_s) == (
        12,
        7,
        BROTLI,
        9.0,
    )
    assert wanted.etags == {b'W/"a"', b'W/"b"'}
    for path in ("/pedidos", "/pedidos/"):
        listed = read(AUTHORIZATION, first=f"GET {path} HTTP/1.1")
        assert listed is not None
        assert listed.target == LIST


@pytest.mark.parametrize(
    "first",
    [
        "GET /pedidos/12?x=1 HTTP/1.1",
        "GET /pedidos/1e2 HTTP/1.1",
        "GET /pedidos/99999999999 HTTP/1.1",
        "POST /pedidos/12 HTTP/1.1",
        "GET /pedidos/12 HTTP/1.0",
        "GET  /pedidos/12 HTTP/1.1",
        "get /pedidos/12 HTTP/1.1",
        "GET http://x/pedidos/12 HTTP/1.1",
    ],
)
def test_other_requests_are_left_to_others(first: str) -> None:
    assert read(AUTHORIZATION, first=first) is None


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: upgrade",
        "Expect: 100-continue",
        "Host: y",
        AUTHORIZATION,
        " folded: x",
        "no colon",
        "bad name : x",
        "x: \x00",
        "x: \xe9",
    ],
)
def test_anything_unusual_is_left_to_the_servers_parser(line: str) -> None:
    assert read(AUTHORIZATION, line) is None


@pytest.mark.parametrize("line", ["x: y", "Authorization: Bearer abc", f"Authorization: Basic {TOKEN}"])
def test_without_a_good_token_memory_has_no_answer(line: str) -> None:
    assert read(line) is None


def test_a_request_with_more_behind_it_is_not_whole() -> None:
    requests = Requests(TokenVerifier(TOKENS), cors_origins=["*"])
    request = f"GET /pedidos/1 HTTP/1.1\r\nhost: x\r\n{AUTHORIZATION}\r\n\r\n".encode()
    assert requests.read_bytes(request) is not None
    assert requests.read_bytes(request) is requests.read_bytes(request)  # read once
    assert requests.read_bytes(request + request) is requests.read_bytes(request[:-1]) is None


class CountedTokens(Tokens):
    """Counts the signatures that are checked."""

    checked: ClassVar[list[str]] = []

    def read(self, token: str) -> Verified:
        self.checked.append(token)
        return super().read(token)


def test_a_token_is_checked_once_whoever_asks() -> None:
    tokens = CountedTokens(TOKENS.keys, TOKENS.lifetime)
    verifier = TokenVerifier(tokens)
    requests = Requests(verifier, cors_origins=["*"])
    for number in (1, 2):
        request = f"GET /pedidos/{number} HTTP/1.1\r\nhost: x\r\n{AUTHORIZATION}\r\n\r\n".encode()
        assert requests.read_bytes(request) is not None
    assert verifier.verify(f"Bearer {TOKEN}".encode()).claims.user_id == 7
    assert tokens.checked == [TOKEN]


def test_a_token_that_ended_since_it_was_checked_is_no_good() -> None:
    verifier = TokenVerifier(TOKENS)
    verified = verifier.verify(f"bearer {TOKEN}".encode())
    verifier._verified[f"bearer {TOKEN}".encode()] = replace(verified, expires_at=1)
    with pytest.raises(TokenError):
        verifier.verify(f"bearer {TOKEN}".encode())


def test_no_token_and_a_bad_one_are_told_apart() -> None:
    verifier = TokenVerifier(TOKENS)
    with pytest.raises(NoTokenError):
        verifier.verify(b"Basic abc")
    with pytest.raises(TokenError) as refused:
        verifier.verify(b"Bearer abc")
    assert not isinstance(refused.value, NoTokenError)


def test_fields_are_not_looked_at_where_the_target_is_none_of_memorys() -> None:
    tokens = CountedTokens(TOKENS.keys, TOKENS.lifetime)
    tokens.checked.clear()
    requests = Requests(TokenVerifier(tokens), cors_origins=["*"])
    request = f"GET /eventos HTTP/1.1\r\nhost: x\r\n{AUTHORIZATION}\r\n\r\n".encode()
    assert requests.read_bytes(request) is None
    assert tokens.checked == []


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"", IDENTITY),
        (b"gzip, deflate, br, zstd", ZSTD),
        (b"gzip;q=1.0, br;q=0.5", GZIP),
        (b"br;q=0, gzip;q=0", IDENTITY),
        (b"gzip;q=abc", IDENTITY),
        (b"*", IDENTITY),
    ],
)
def test_the_clients_favourite_coding_wins(accepted: bytes, coding: int) -> None:
    assert choose_coding(accepted) == coding


def test_what_is_no_age_demands_nothing() -> None:
    assert [read_max_age(one) for one in (None, b"", b"-1", b"x", b"1e9", b"30")] == [None] * 5 + [30.0]
    assert read_etags(b" , ") == frozenset()


def test_equal_contents_have_equal_tags() -> None:
    assert Body(b"[1]").etag == Body(b"[1]").etag != Body(b"[2]").etag


def test_small_bodies_stay_plain() -> None:
    assert Body(b"[]").choose(ZSTD) == IDENTITY
    assert Body(b"x" * 5000).choose(ZSTD) == ZSTD


def test_a_caller_may_ask_at_his_rate() -> None:
    limits = Limits(per_second=1, burst=2)
    assert [limits.take("a") == 0, limits.take("a") == 0, limits.take("b") == 0] == [True] * 3
    assert 0 < limits.take("a") <= 1


def test_a_forgotten_snapshot_differs_and_has_seen_no_more() -> None:
    for snapshot in ("10:12:10,11", "10:10:", "10:11:10"):
        before = forget_since(snapshot)
        assert before != snapshot
        assert read_xmin(before) == read_xmin(snapshot) == 10
