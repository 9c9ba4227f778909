"""An answer's content in each coding, and the fields that go with it: in full, as they are sent."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from vps_readapi.memory import bodies
from vps_readapi.memory.bodies import (
    BROTLI,
    GZIP,
    IDENTITY,
    LARGE_BYTES,
    MIN_COMPRESSED_BYTES,
    ZSTD,
    Body,
    make_etag,
)
from vps_readapi.pedidos.visibility import MONEY, NOTHING, PHONE

CONTENT = b'{"cliente":"' + b"Fulano de Tal " * 60 + b'"}'
NAMES = {GZIP: b"gzip", BROTLI: b"br", ZSTD: b"zstd"}
UNPACK = {GZIP: gzip.decompress, BROTLI: brotli.decompress, ZSTD: zstandard.ZstdDecompressor().decompress}
SHARED = (
    b"cache-control: private, no-cache\r\n"
    b"vary: accept-encoding, authorization, origin\r\n"
)  # fmt: skip
"""Without `accept-encoding` a cache would hand brotli to whoever can't read it."""


def etag_field(body: Body) -> bytes:
    return b"etag: %s\r\n" % body.etag


def test_the_head_of_a_plain_answer_says_all_of_it() -> None:
    body = Body(b"[1,2]")
    assert body.head(IDENTITY) == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n"
        + etag_field(body)
        + SHARED
    )


@pytest.mark.parametrize("coding", NAMES)
def test_the_head_of_a_packed_answer_says_how_it_is_packed(coding: int) -> None:
    body = Body(CONTENT)
    packed = body.encode(coding)
    assert UNPACK[coding](packed) == CONTENT
    assert body.head(coding) == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        + b"content-length: %d\r\n" % len(packed)
        + etag_field(body)
        + SHARED
        + b"content-encoding: %s\r\n" % NAMES[coding]
    )


def test_an_answer_that_nothing_changed_says_what_a_cache_goes_by() -> None:
    body = Body(CONTENT)
    packed = [body.head(coding) for coding in (IDENTITY, *NAMES)]
    for _ in range(2):
        assert body.head_unchanged() == b"HTTP/1.1 304 Not Modified\r\n" + etag_field(body) + SHARED
    assert body.head_unchanged() is body.head_unchanged(), "it was made twice"
    assert [body.head(coding) for coding in (IDENTITY, *NAMES)] == packed
    assert body.head(IDENTITY).startswith(b"HTTP/1.1 200 OK\r\n"), "the one head was kept for the other"


def test_heads_and_codings_are_made_once_each() -> None:
    body = Body(CONTENT)
    for coding in (IDENTITY, *NAMES):
        assert body.encode(coding) is body.encode(coding)
        assert body.head(coding) is body.head(coding)
    assert len({body.head(coding) for coding in (IDENTITY, *NAMES)}) == 4
    assert len({body.encode(coding) for coding in (IDENTITY, *NAMES)}) == 4


@pytest.mark.parametrize("coding", NAMES)
def test_only_what_is_long_enough_is_packed(coding: int) -> None:
    assert Body(b"x" * (MIN_COMPRESSED_BYTES - 1)).choose(coding) == IDENTITY
    assert Body(b"x" * MIN_COMPRESSED_BYTES).choose(coding) == coding


def test_only_what_takes_no_time_is_ready_before_it_is_packed() -> None:
    small, large = Body(b"x" * (LARGE_BYTES - 1)), Body(b"x" * LARGE_BYTES)
    assert small.is_ready(ZSTD)
    assert large.is_ready(IDENTITY)
    assert not large.is_ready(ZSTD)
    large.encode(ZSTD)
    assert large.is_ready(ZSTD)
    assert not large.is_ready(BROTLI)


LEVELS: dict[int, Callable[..., bytes]] = {
    GZIP: lambda content, quick: _deflate(content, 1 if quick else 6),
    BROTLI: lambda content, quick: brotli.compress(content, quality=1 if quick else 5),
    ZSTD: lambda content, quick: zstandard.ZstdCompressor(level=1 if quick else 3).compress(content),
}


def _deflate(content: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("coding", NAMES)
def test_what_is_large_is_packed_at_the_quickest_level_and_comes_out_as_it_went_in(coding: int) -> None:
    words = [b"%d:%s" % (number, CONTENT[number % 40 : number % 40 + 30]) for number in range(9000)]
    content = b",".join(words)
    assert len(content) > LARGE_BYTES + 1
    at_limit, below = content[:LARGE_BYTES], content[: LARGE_BYTES - 1]
    quick, thorough = Body(at_limit).encode(coding), Body(below).encode(coding)
    assert UNPACK[coding](quick) == at_limit
    assert UNPACK[coding](thorough) == below
    assert abs(len(quick) - len(thorough)) > 100, "one byte less is packed at another level"
    at_level = LEVELS[coding]
    assert (quick, thorough) == (at_level(at_limit, quick=True), at_level(below, quick=False))


def test_the_tag_is_the_contents_own() -> None:
    assert make_etag(b"[1]") == b'W/"' + Body(b"[1]").etag[3:-1] + b'"'
    assert len(make_etag(b"")) == len(b'W/""') + 24
    assert make_etag(b"[1]") != make_etag(b"[2]")
    assert Body(b"[1]", etag=b'W/"own"').etag == b'W/"own"'


def test_a_view_is_a_body_of_its_own_that_is_made_once() -> None:
    body = Body(b'{"valor_total":"5.00","telefone_cliente":"27"}', key=(1, 2))
    assert body.view(NOTHING) is body
    seen = {hidden: body.view(hidden) for hidden in (MONEY, PHONE, MONEY | PHONE)}
    for hidden, view in seen.items():
        assert body.view(hidden) is view
        assert view.key == (1, 2)
        assert view.etag == make_etag(view.identity) != body.etag
        assert (b"5.00" in view.identity, b"27" in view.identity) == (not hidden & MONEY, not hidden & PHONE)


def test_codings_are_numbered_as_they_are_named() -> None:
    assert [bodies.CODINGS[coding] for coding in (IDENTITY, GZIP, BROTLI, ZSTD)] == [
        "identity", "gzip", "br", "zstd",
    ]  # fmt: skip
