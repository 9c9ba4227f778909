"""Answers of any length, made piece by piece: a list costs the memory of a few hundred orders."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from fastapi.responses import StreamingResponse

from vps_readapi.database import Rows
from vps_readapi.memory.loading import Loader


async def answer_pieces(pieces: AsyncIterator[bytes], headers: Mapping[str, str]) -> StreamingResponse:
    """Answer JSON, once there is the first piece: until then a failure can be told as what it is.

    Raise what making the first piece raises.
    """
    first = await anext(pieces)
    return StreamingResponse(_chain(first, pieces), media_type="application/json", headers=headers)


async def encode_pages(
    loader: Loader, pages: AsyncIterator[Rows], *, hidden: int, head: bytes = b"[", tail: bytes = b"]"
) -> AsyncGenerator[bytes]:
    """Yield a JSON array of orders, without what is hidden: a piece for each page of rows, then the tail."""
    joint = head
    async for rows in pages:
        encoded = b",".join(await loader.encode(rows, hidden=hidden))
        if encoded:
            yield joint + encoded
            joint = b","
    yield tail if joint == b"," else head + tail


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
