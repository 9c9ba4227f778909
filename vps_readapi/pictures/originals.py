"""A photo itself, from SGP through the tunnel: one flight for all who wait for it, bounded on all sides."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from db.logs import log_event
from vps_readapi.errors import RETRY_AFTER, ProblemError
from vps_readapi.outgoing import find_faults
from vps_readapi.pictures.original_cache import OriginalCache

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 3.0
_TURN_S = 30.0
"""How long a photo waits for its turn: its own time starts when that comes."""
_PIECE = 2**18
_SNIFFED = 16
log = logging.getLogger(__name__)
AWAY = "A foto original está no servidor da loja, que não responde no momento; tente de novo em instantes"
MISSING = "Imagem não encontrada"
REFUSED = "Este arquivo não pode ser mostrado"
SUFFIXES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
}


class Originals:
    """Fetches photos from SGP and keeps them for a while."""

    def __init__(
        self, url: str, cache: OriginalCache, *, max_bytes: int, timeout_s: float, connections: int
    ) -> None:
        """url: where SGP answers, such as http://100.64.0.2:8000; connections: how many at the same time."""
        import httpx  # noqa: PLC0415  # most of an API's are without originals, and it is a fifth of their start

        # httpx reads where a redirect leads though nobody follows it.
        self._faults: tuple[type[Exception], ...] = (*find_faults(), TimeoutError)
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
            limits=httpx.Limits(max_connections=connections),
            # A photo does not get smaller, and what is unpacked has no bound of its own.
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )
        self._cache = cache
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(connections)
        self._flights: dict[int, asyncio.Task[Path]] = {}

    async def fetch(self, imagem_id: int) -> Path:
        """Return the photo's file. Raise ProblemError: 404, 415 for what is no picture, 503 with SGP away."""
        if (held := await asyncio.to_thread(self._cache.find, imagem_id)) is not None:
            return held
        flight = self._flights.get(imagem_id)
        if flight is None:
            flight = asyncio.create_task(self._fly(imagem_id))
            self._flights[imagem_id] = flight
            flight.add_done_callback(lambda done: self._land(imagem_id, done))
        # Whoever gives up leaves the flight to the others.
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancel what is under way and let go of the connections."""
        for flight in self._flights.values():
            flight.cancel()
        await self._client.aclose()

    async def _fly(self, imagem_id: int) -> Path:
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turns.acquire()
        except TimeoutError as error:
            raise ProblemError(503, AWAY, RETRY_AFTER) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._download(imagem_id)
        except self._faults as error:
            raise ProblemError(503, AWAY, RETRY_AFTER) from error
        except OSError as error:
            log_event(log, "original_not_kept", level=logging.WARNING, errno=error.errno)
            raise ProblemError(503, AWAY, RETRY_AFTER) from error
        finally:
            self._turns.release()

    async def _download(self, imagem_id: int) -> Path:
        async with self._client.stream("GET", f"/pedidos/imagens/{imagem_id}") as answer:
            if answer.status_code in {404, 410}:
                raise ProblemError(404, MISSING)
            if answer.status_code != 200:  # noqa: PLR2004
                raise ProblemError(503, AWAY, RETRY_AFTER)
            with self._cache.receive() as file:
                suffix = await self._receive(answer, file)
                return await asyncio.to_thread(self._cache.keep, imagem_id, suffix.removeprefix("."), file)

    async def _receive(self, answer: httpx.Response, file: BinaryIO) -> str:
        """Write the body to the file as it comes, packed by nobody; return its suffix."""
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ProblemError(415, REFUSED)
        suffix: str | None = None
        async for piece in answer.aiter_raw(_PIECE):
            suffix = suffix or sniff(piece)
            if suffix is None:
                break
            await asyncio.to_thread(file.write, piece)
            if file.tell() > self._max_bytes:
                raise ProblemError(413, "A foto original é grande demais para ser mostrada aqui")
        if suffix is None:
            raise ProblemError(415, REFUSED)
        return suffix

    def _land(self, imagem_id: int, done: asyncio.Task[Path]) -> None:
        self._flights.pop(imagem_id, None)
        if not done.cancelled():
            done.exception()  # looked at: those who waited may have left


def sniff(content: bytes) -> str | None:
    """Return the suffix of a picture that browsers show, by its first bytes: its name is anybody's text."""
    head = content[:_SNIFFED]
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return ".avif" if head[4:12] in {b"ftypavif", b"ftypavis"} else None
