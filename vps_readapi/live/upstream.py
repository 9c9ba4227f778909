"""The way to SGP and back: one GET, one host, nothing passed through, everything bounded.

It stands on httpx's transport and not on its client, so there is nothing that follows redirects, keeps
cookies, reads a proxy from the environment or unpacks a body without a bound.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from vps_readapi.errors import ProblemError
from vps_readapi.outgoing import find_faults

if TYPE_CHECKING:
    import httpx

_GZIP = 31
"""zlib's number for it."""
_OK = 200


class UnusableError(Exception):
    """An answer came that can't be used; its text is one word for the log."""


class Upstream:
    """SGP's HTTP side."""

    def __init__(
        self, url: str, *, connect_s: float, timeout_s: float, max_bytes: int, connections: int
    ) -> None:
        import httpx  # noqa: PLC0415  # an API without live questions starts without it

        self.unanswered = find_faults()
        """What is raised when no answer comes, or what came is no HTTP."""
        self._make_request = httpx.Request
        self._base = httpx.URL(url)
        self._max_bytes = max_bytes
        timeout = httpx.Timeout(timeout_s, connect=min(connect_s, timeout_s))
        self._extensions = {"timeout": timeout.as_dict()}
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False, retries=0)

    async def get(self, target: str, token: str | None, *, missing: str) -> bytes:
        """Return the body of SGP's answer, which says that it is JSON.

        Raise `unanswered`, UnusableError, or ProblemError: what SGP says about the question itself.
        """
        answer = await self._transport.handle_async_request(self._write(target, token))
        try:
            _judge(answer.status_code, missing)
            return await _receive(answer, self._max_bytes)
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    def _write(self, target: str, token: str | None) -> httpx.Request:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "ponte"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = self._base.copy_with(raw_path=target.encode("ascii"))
        return self._make_request("GET", url, headers=headers, extensions=self._extensions)


class SgpRefusedError(ProblemError):
    """SGP does not let the asker ask this; another may be let."""


def _judge(status: int, missing: str) -> None:
    """Pass a success on. Raise ProblemError or UnusableError for all else, redirects among it."""
    match status:
        case 200:
            return
        case 404:
            raise ProblemError(404, missing)
        case 403:
            raise SgpRefusedError(403, "O SGP não permite esta consulta a este usuário")
        case 400 | 422:
            raise ProblemError(400, "O SGP não aceitou esta consulta")
        case _:
            raise UnusableError(f"status_{status}")


async def _receive(answer: httpx.Response, max_bytes: int) -> bytes:
    """Return the whole body, unpacked; an answer without end or bottom is given up when it is too large."""
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnusableError("content_type")
    unpack = _choose_unpacking(answer.headers.get("content-encoding", ""))
    body, raw = bytearray(), 0
    async for piece in answer.aiter_raw():
        raw += len(piece)
        # One byte more than may be: zlib takes 0 for no bound, and a byte too many tells.
        room = max_bytes - len(body) + 1
        body += _unpack(unpack, piece, room) if unpack else piece
        if max(raw, len(body)) > max_bytes:
            raise UnusableError("too_large")
    if unpack and (not unpack.eof or unpack.unused_data):
        raise UnusableError("encoding")
    return bytes(body)


def _choose_unpacking(coding: str) -> zlib._Decompress | None:
    match coding.strip().lower():
        case "" | "identity":
            return None
        case "gzip":
            return zlib.decompressobj(_GZIP)
        case _:
            raise UnusableError("encoding")


def _unpack(unpack: zlib._Decompress, piece: bytes, room: int) -> bytes:
    try:
        return unpack.decompress(piece, room)
    except zlib.error as error:
        raise UnusableError("encoding") from error
