"""Answers from memory, as bytes on a connection or as ASGI messages."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from secrets import token_hex

from vps_readapi.memory.bodies import LARGE_BYTES, Body
from vps_readapi.memory.wanted import Wanted

_life = token_hex(4)
_numbers = count(1)


def next_request_id() -> str:
    """Return an id for one request, unlike any other process's."""
    return f"{_life}-{next(_numbers):x}"


def is_unchanged(wanted: Wanted, body: Body) -> bool:
    """Tell whether the asker has this content already."""
    return bool(wanted.etags) and (body.etag in wanted.etags or b"*" in wanted.etags)


def write_answer(write: Callable[[bytes], None], wanted: Wanted, body: Body, freshness: bytes) -> None:
    """Write the whole answer."""
    own = b"x-request-id: %s-%x\r\n" % (_life_bytes, next(_numbers))
    if wanted.etags and is_unchanged(wanted, body):
        write(b"".join((body.head_unchanged(), wanted.cors, freshness, own, b"\r\n")))
        return
    coding = body.choose(wanted.coding)
    if wanted.is_head:
        write(b"".join((body.head(coding), wanted.cors, freshness, own, b"\r\n")))
        return
    content = body.encode(coding)
    if len(content) >= LARGE_BYTES:  # not copied
        write(b"".join((body.head(coding), wanted.cors, freshness, own, b"\r\n")))
        write(content)
        return
    write(b"".join((body.head(coding), wanted.cors, freshness, own, b"\r\n", content)))


_life_bytes = _life.encode()
