"""The server: one process on a socket, or several that share it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe

import uvicorn

from db import lifetime
from db.listening import BACKLOG, listen
from vps_readapi.app import ReadApi, create_app
from vps_readapi.errors import DETAILS
from vps_readapi.front.crowd import Crowd
from vps_readapi.front.proxies import Proxies
from vps_readapi.loops import find_loop
from vps_readapi.settings import ApiSettings

STOP_TIMEOUT_S = 5
RESTART_PAUSE_S = 1.0


class Server(uvicorn.Server):
    """uvicorn's server, which tells open event streams to end before it waits for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end what goes on for ever, finish the rest."""
        app = self.config.app
        services = getattr(app.state, "services", None) if isinstance(app, ReadApi) else None
        if services is not None:
            services.events.close()
            if services.live is not None:
                services.live.logs.close()
            asyncio.get_running_loop().call_later(STOP_TIMEOUT_S - 1, services.login.give_up)
        await super().shutdown(sockets)


def serve(settings: ApiSettings) -> int:
    """Serve until told to stop; return 0, or 1 if it could not start."""
    check_places(settings)
    listener = listen(settings.host, settings.port, source="PONTE_API_")
    if settings.processes > 1:
        return _supervise(settings, listener)
    return serve_here(settings, listener)


def check_places(settings: ApiSettings) -> None:
    """Try what the application opens as it starts, where a refusal can still be told in a sentence."""
    if settings.metrics_port:
        for place in range(settings.processes):
            port = settings.metrics_port + place
            listen(settings.metrics_host, port, source="PONTE_API_METRICS_").close()
    if settings.sgp_url:
        settings.originals_dir.mkdir(parents=True, exist_ok=True)


def serve_here(settings: ApiSettings, listener: socket.socket) -> int:
    """Run the server in this process."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=_find_protocol(settings),
        access_log=False,  # addresses hold clients' names and signatures
        log_config=None,
        server_header=False,
        proxy_headers=False,  # whose word counts is declared, and read where it is needed
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    server = Server(config)
    # uvicorn raises the signal once more when it has stopped; without this the process would die of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        contextlib.suppress(KeyboardInterrupt, SystemExit),  # uvicorn's ways to end
        asyncio.Runner(loop_factory=find_loop()) as runner,
    ):
        runner.run(server.serve([listener]))
    return 0 if server.started else 1


def _find_protocol(settings: ApiSettings) -> type[asyncio.Protocol]:
    """Return the protocol with the short way, or uvicorn's own where httptools is missing."""
    try:
        from vps_readapi.front.short_way import ShortWayProtocol  # noqa: PLC0415
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

        return H11Protocol
    crowd = Crowd(
        settings.max_connections,
        settings.max_address_connections,
        is_exempt=Proxies(settings.proxies).holds,
    )
    return type("Connection", (ShortWayProtocol,), {"crowd": crowd, "details": DETAILS})


def _supervise(settings: ApiSettings, listener: socket.socket) -> int:
    """Run several processes on one socket; replace those that end, stop them all when told to."""
    listener.set_inheritable(True)
    stopping = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stopping.set())
    workers = [_Worker(settings, place, listener) for place in range(settings.processes)]
    while not stopping.wait(0.2):
        for place, worker in enumerate(workers):
            if worker.has_ended() and not stopping.wait(RESTART_PAUSE_S):
                workers[place] = _Worker(settings, place, listener)
    return _stop_all(workers)


class _Worker:
    """One of several processes, told its settings and given the socket on a line that nobody else sees."""

    def __init__(self, settings: ApiSettings, place: int, listener: socket.socket) -> None:
        self._line, theirs = Pipe()
        with theirs:
            handles = [theirs.fileno(), *([] if sys.platform == "win32" else [listener.fileno()])]
            command = [sys.executable, "-m", "vps_readapi.worker", *map(str, handles)]
            self.process = lifetime.start(command, handles=handles, stdin=subprocess.DEVNULL)
        with contextlib.suppress(OSError):  # it may have ended already
            self._line.send(_with_own_metrics(settings, place))
            if sys.platform == "win32":
                self._line.send(listener.share(self.process.pid))

    def has_ended(self) -> bool:
        """Tell whether it has, and let go of it if so."""
        if self.process.poll() is None:
            return False
        self._line.close()
        return True


def _with_own_metrics(settings: ApiSettings, place: int) -> ApiSettings:
    port = settings.metrics_port + place if settings.metrics_port else 0
    return settings.model_copy(update={"metrics_port": port})


def _stop_all(workers: list[_Worker]) -> int:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S + 2
    for worker in workers:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    return 0
