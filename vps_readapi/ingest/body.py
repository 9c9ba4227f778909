"""A request's body, bounded as it comes and as it is unpacked: a bomb costs a refusal and no memory."""

from __future__ import annotations

import asyncio
import io
import zlib

import zstandard
from starlette.requests import ClientDisconnect, Request

from db.sync import MAX_BODY_BYTES, MAX_SENT_BYTES
from vps_readapi.ingest.refusals import Reason, RefusalError

PATIENCE_S = 25.0
"""How long a body may take to arrive; before the connection is cut (30 s)."""
_GZIP = 31
"""zlib's word for gzip with its header and check."""
_ZSTD_WINDOW = 8 * 2**20
"""What a zstd frame may have unpacked in memory; no level up to 19 needs more."""


async def read_sent(request: Request) -> bytes:
    """Return the body as it is sent. Raise RefusalError for one that is too large or too slow."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_SENT_BYTES:
        raise RefusalError(Reason.TOO_LARGE)
    sent = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for piece in request.stream():
                sent += piece
                if len(sent) > MAX_SENT_BYTES:
                    raise RefusalError(Reason.TOO_LARGE)
    except (TimeoutError, ClientDisconnect):
        raise RefusalError(Reason.TOO_SLOW) from None
    return bytes(sent)


def unpack(sent: bytes, encoding: str) -> bytes:
    """Return the body. Raise RefusalError for one that is too large, or not what it is said to be."""
    try:
        match encoding.strip().lower():
            case "" | "identity":
                body = sent
            case "gzip":
                body = _gunzip(sent)
            case "zstd":
                reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(
                    io.BytesIO(sent)
                )
                body = reader.read(MAX_BODY_BYTES + 1)
            case _:
                raise RefusalError(Reason.ENCODING)
    except (zlib.error, zstandard.ZstdError):
        raise RefusalError(Reason.ENCODING) from None
    if len(body) > MAX_BODY_BYTES:
        raise RefusalError(Reason.TOO_LARGE)
    return body


def _gunzip(sent: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=_GZIP)
    body = unpacking.decompress(sent, MAX_BODY_BYTES + 1)
    if len(body) <= MAX_BODY_BYTES and (not unpacking.eof or unpacking.unused_data):
        raise RefusalError(Reason.ENCODING)
    return body
