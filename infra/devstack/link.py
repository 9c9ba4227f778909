"""A TCP proxy that stands in for the road to the VPS and can be cut, deafened or slowed while it carries."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Mapping

from infra.devstack.errors import LinkError, PortTakenError
from infra.devstack.traffic import LinkMode, Pump, Traffic

HOST = "127.0.0.1"
COMMAND_TIMEOUT_S = 10
# Linger for zero seconds, so that closing sends RST; Windows has two shorts there.
LINGER = "hh" if os.name == "nt" else "ii"
RESET_ON_CLOSE, FLUSH_ON_CLOSE = struct.pack(LINGER, 1, 0), struct.pack(LINGER, 0, 0)


class Link:
    """The proxy: a thread of its own, commands from any thread, each in effect when it returns.

    also: further ports with their targets, broken and healed together with the first.
    """

    def __init__(
        self,
        *,
        target: tuple[str, int],
        listen_port: int = 0,
        also: Mapping[int, tuple[str, int]] | None = None,
    ) -> None:
        self.target = target
        self.port = listen_port
        self._also = dict(also or {})
        self._traffic = Traffic()
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
        with contextlib.ExitStack() as opened:
            listeners = {opened.enter_context(_listen(self.port)): self.target}
            listeners |= {opened.enter_context(_listen(port)): to for port, to in self._also.items()}
            self.port = next(iter(listeners)).getsockname()[1]
            opened.pop_all()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listeners, ready), name="link", daemon=True)
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

    def _run(self, listeners: dict[socket.socket, tuple[str, int]], ready: threading.Event) -> None:
        with (
            contextlib.ExitStack() as closing,
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=_find_loop()) as runner,
        ):
            for listener in listeners:
                closing.enter_context(listener)
            runner.run(self._accept_all(listeners, ready))

    async def _accept_all(
        self, listeners: dict[socket.socket, tuple[str, int]], ready: threading.Event
    ) -> None:
        """Accept until cancelled; the end of the loop then breaks what is still carried."""
        self._loop = asyncio.get_running_loop()
        self._accepting = asyncio.current_task()
        async with asyncio.TaskGroup() as accepting:
            for listener, target in listeners.items():
                accepting.create_task(self._accept(listener, target))
            ready.set()

    async def _accept(self, listener: socket.socket, target: tuple[str, int]) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(ConnectionError):
                near, _ = await loop.sock_accept(listener)
                self._take(near, target)

    def _take(self, near: socket.socket, target: tuple[str, int]) -> None:
        self._traffic.accepted += 1
        _prepare(near)
        if self.mode is LinkMode.CUT:
            near.close()
            return
        task = asyncio.create_task(self._carry(near, target))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        # A task that is cancelled before its first step does not get to close anything.
        task.add_done_callback(lambda _: near.close())

    async def _carry(self, near: socket.socket, target: tuple[str, int]) -> None:
        """Carry one connection until both sides have ended; anything else breaks both with RST."""
        with near, socket.socket() as far:
            _prepare(far)
            try:
                await asyncio.get_running_loop().sock_connect(far, target)
                async with asyncio.TaskGroup() as pumps:
                    for source, sink, direction in ((near, far, "out"), (far, near, "back")):
                        pump = Pump(self._traffic, self._cut_now, direction, sink)
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


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise PortTakenError("the link", port) from error


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
