"""What a link does with the bytes that it carries: pass, delay, swallow or cut them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK_BYTES = 64 * 1024
# Chunks on their way in one direction of one connection; then the sender has to wait.
CHUNKS_ON_THE_WAY = 16
# With a bandwidth, bytes leave in portions worth this much time.
PORTION_S = 0.02


class LinkMode(StrEnum):
    """What the link does with bytes."""

    PASS = "pass"  # noqa: S105
    SLOW = "slow"
    DEAF = "deaf"
    CUT = "cut"


@dataclass
class Traffic:
    """What all connections share; changed by the link's thread alone."""

    mode: LinkMode = LinkMode.PASS
    delay_s: float = 0.0
    bytes_per_s: int | None = None
    limit: int | None = None
    accepted: int = 0
    reserved: int = 0
    forwarded: int = 0
    free_at: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def swallows(self) -> bool:
        """Tell whether bytes vanish at present."""
        return self.mode in {LinkMode.DEAF, LinkMode.CUT}

    @property
    def is_clear(self) -> bool:
        """Tell whether bytes pass as they come: no mode and no limit holds them back."""
        return self.mode is LinkMode.PASS and self.limit is None

    def count(self, n_bytes: int) -> None:
        """Note bytes that were handed over without asking for leave."""
        self.reserved += n_bytes
        self.forwarded += n_bytes

    def switch(self, mode: LinkMode, *, delay_s: float = 0.0, bytes_per_s: int | None = None) -> None:
        """Take up a mode, without a limit, and wake whatever waits because of the old one."""
        self.mode, self.delay_s, self.bytes_per_s, self.limit = mode, delay_s, bytes_per_s, None
        self.free_at.clear()
        waiting, self.changed = self.changed, asyncio.Event()
        waiting.set()

    def portion(self, available: int) -> int:
        """Return how many bytes may leave at once."""
        return min(available, max(1, int(self.bytes_per_s * PORTION_S))) if self.bytes_per_s else available

    def reserve(self, wanted: int) -> int:
        """Claim bytes of what the limit still allows; 0 means that none is left."""
        granted = wanted if self.limit is None else max(0, min(wanted, self.limit - self.reserved))
        self.reserved += granted
        return granted

    async def wait_turn(self, direction: str, arrived: float, n_bytes: int) -> None:
        """Wait as long as the present mode holds bytes back; a change of mode is seen at once."""
        while self.mode is LinkMode.SLOW:
            now = asyncio.get_running_loop().time()
            due = self._book(direction, max(now, arrived + self.delay_s), n_bytes)
            if now >= due or not await self.wait_change(due - now):
                return

    async def wait_change(self, timeout_s: float | None = None) -> bool:
        """Wait for a change of mode; tell whether there was one in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.changed.wait()
        except TimeoutError:
            return False

    def _book(self, direction: str, earliest: float, n_bytes: int) -> float:
        """Queue bytes behind those of all connections that go the same way; return when they are through."""
        if not self.bytes_per_s:
            return earliest
        start = max(earliest, self.free_at.get(direction, 0.0))
        self.free_at[direction] = start + n_bytes / self.bytes_per_s
        return self.free_at[direction]


@dataclass
class Pump:
    """One direction of one connection; what is on its way has a time, b"" is the end and None a break."""

    traffic: Traffic
    cut: Callable[[], None]
    direction: str
    sink: socket.socket
    way: asyncio.Queue[tuple[float, bytes | None]] = field(
        default_factory=lambda: asyncio.Queue(CHUNKS_ON_THE_WAY)
    )
    delivering: bool = False

    async def receive(self, source: socket.socket) -> None:
        """Put what arrives on its way; when that is full, the sender feels it."""
        loop = asyncio.get_running_loop()
        try:
            while piece := await loop.sock_recv(source, CHUNK_BYTES):
                if rest := self._pass_on(piece):
                    await self.way.put((loop.time(), rest))
        except OSError:
            await self.way.put((loop.time(), None))
        else:
            await self.way.put((loop.time(), b""))

    def _pass_on(self, piece: bytes) -> bytes:
        """Hand over at once what nothing is before and nothing holds back; return what is left.

        The road's times are measured through here: another task's turn would cost a twentieth of them.
        """
        if self.delivering or not self.way.empty() or not self.traffic.is_clear:
            return piece
        try:
            sent = self.sink.send(piece)
        except OSError:  # full, or broken: both are seen to where all is handed over
            return piece
        self.traffic.count(sent)
        return piece[sent:]

    async def deliver(self) -> None:
        """Hand over in order, ends and breaks too, unless the link swallows everything."""
        sink = self.sink
        while True:
            self.delivering = False
            arrived, piece = await self.way.get()
            self.delivering = True
            if piece:
                await self._forward(sink, arrived, piece)
                continue
            await self.traffic.wait_turn(self.direction, arrived, 0)
            if self.traffic.swallows:
                continue
            if piece is None:
                raise ConnectionResetError
            return sink.shutdown(socket.SHUT_WR)

    async def _forward(self, sink: socket.socket, arrived: float, piece: bytes) -> None:
        while piece:
            portion = self.traffic.portion(len(piece))
            await self.traffic.wait_turn(self.direction, arrived, portion)
            if self.traffic.swallows:
                return
            granted = self.traffic.reserve(portion)
            if granted:
                await self._send(sink, piece[:granted])
                piece = piece[granted:]
            else:
                await self.traffic.wait_change()

    async def _send(self, sink: socket.socket, part: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(sink, part)
        except BaseException as error:
            self.traffic.reserved -= len(part)
            if isinstance(error, OSError) and self.traffic.swallows:
                return
            raise
        self.traffic.forwarded += len(part)
        if self.traffic.limit is not None and self.traffic.forwarded >= self.traffic.limit:
            self.cut()
