"""A TCP proxy that stands in for the road to the VPS and can be cut, deafened or slowed while it carries."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum

from infra.devstack.errors import LinkError, PortTakenError

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
# Chunks on their way in one direction of one connection; then the sender has to wait.
CHUNKS_ON_THE_WAY = 16
# With a bandwidth, bytes leave in portions worth this much time.
PORTION_S = 0.02
COMMAND_TIMEOUT_S = 10
# Linger for zero seconds, so that closing sends RST; Windows has two shorts there.
LINGER = "hh" if os.name == "nt" else "ii"
RESET_ON_CLOSE, FLUSH_ON_CLOSE = struct.pack(LINGER, 1, 0), struct.pack(LINGER, 0, 0)


class LinkMode(StrEnum):
    """What the link does with bytes."""

    PASS = "pass"  # noqa: S105
    SLOW = "slow"
    DEAF = "deaf"
    CUT = "cut"


@dataclass
class _Traffic:
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


class Link:
    """The proxy: a thread of its own, commands from any thread, each in effect when it returns."""

    def __init__(self, *, target: tuple[str, int], listen_port: int = 0) -> None:
        self.target = target
        self.port = listen_port
        self._traffic = _Traffic()
        self._carrying: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._accepting: asyncio.Task[None] | None = None

    @property
    def mode(self) -> LinkMode:
        """What the link does at present."""
        return self._traffic.mode

    @property
    def bytes_forwarded(self) -> int:
        """Bytes handed on since the start, both directions together."""
        return self._traffic.forwarded

    @property
    def connections(self) -> int:
        """Connections accepted since the start, those closed at once by a cut included."""
        return self._traffic.accepted

    def start(self) -> None:
        """Listen and carry; raises PortTakenError."""
        try:
            listener = socket.create_server((HOST, self.port))
        except OSError as error:
            raise PortTakenError("the link", self.port) from error
        self.port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, ready), name="link", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Break all connections and stop listening."""
        if self._loop and self._accepting and self._thread and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._accepting.cancel)
            self._thread.join()

    def cut(self) -> None:
        """Break all connections with RST, and each new one at once."""
        self._command(self._switch(LinkMode.CUT))

    def cut_after(self, n_bytes: int) -> None:
        """Cut when so many bytes more have been forwarded; the next change of mode disarms it.

        A receiver that lags may get fewer: what the system has not delivered dies with the connection.
        """
        self._command(self._set_limit(n_bytes) if n_bytes > 0 else self._switch(LinkMode.CUT))

    def deafen(self) -> None:
        """Swallow all bytes, ends and breaks; connections stay open and new ones are accepted."""
        self._command(self._switch(LinkMode.DEAF))

    def slow(self, delay_s: float, bytes_per_s: int | None = None) -> None:
        """Delay each direction, in order, and let all connections share a bandwidth per direction."""
        self._command(self._switch(LinkMode.SLOW, delay_s=delay_s, bytes_per_s=bytes_per_s))

    def heal(self) -> None:
        """Pass everything again; connections that were deaf lost bytes and are broken with RST."""
        self._command(self._switch(LinkMode.PASS))

    def _command(self, command: Coroutine[None, None, None]) -> None:
        if not self._loop or self._loop.is_closed():
            command.close()
            raise LinkError("the link is not running", "start it before you command it")
        asyncio.run_coroutine_threadsafe(command, self._loop).result(COMMAND_TIMEOUT_S)

    def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        with (
            listener,
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=_find_loop()) as runner,
        ):
            runner.run(self._accept(listener, ready))

    async def _accept(self, listener: socket.socket, ready: threading.Event) -> None:
        """Accept until cancelled; the end of the loop then breaks what is still carried."""
        listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._accepting = asyncio.current_task()
        ready.set()
        while True:
            with contextlib.suppress(ConnectionError):
                near, _ = await self._loop.sock_accept(listener)
                self._take(near)

    def _take(self, near: socket.socket) -> None:
        self._traffic.accepted += 1
        _prepare(near)
        if self.mode is LinkMode.CUT:
            near.close()
            return
        task = asyncio.create_task(self._carry(near))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        # A task that is cancelled before its first step does not get to close anything.
        task.add_done_callback(lambda _: near.close())

    async def _carry(self, near: socket.socket) -> None:
        """Carry one connection until both sides have ended; anything else breaks both with RST."""
        with near, socket.socket() as far:
            _prepare(far)
            try:
                await asyncio.get_running_loop().sock_connect(far, self.target)
                async with asyncio.TaskGroup() as pumps:
                    for source, sink, direction in ((near, far, "out"), (far, near, "back")):
                        pump = _Pump(self._traffic, self._cut_now, direction, sink)
                        pumps.create_task(pump.receive(source))
                        pumps.create_task(pump.deliver())
            except* OSError:
                pass
            else:
                for sock in (near, far):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FLUSH_ON_CLOSE)

    async def _switch(self, mode: LinkMode, *, delay_s: float = 0.0, bytes_per_s: int | None = None) -> None:
        if mode is LinkMode.CUT or (self._traffic.swallows and mode is not self.mode):
            self._cut_now()
            await asyncio.gather(*self._carrying, return_exceptions=True)
        self._traffic.switch(mode, delay_s=delay_s, bytes_per_s=bytes_per_s)

    async def _set_limit(self, n_bytes: int) -> None:
        self._traffic.limit = self._traffic.forwarded + n_bytes

    def _cut_now(self) -> None:
        """Cut without waiting until the connections are closed."""
        self._traffic.switch(LinkMode.CUT)
        for task in self._carrying:
            task.cancel()


@dataclass
class _Pump:
    """One direction of one connection; what is on its way has a time, b"" is the end and None a break."""

    traffic: _Traffic
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


def _prepare(sock: socket.socket) -> None:
    """Let small messages leave at once, and closing break the connection."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def _find_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's loop where there is one: the road's times are measured through this link."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
