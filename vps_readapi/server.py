"""The server: one process on a socket, or several that share it."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import multiprocessing
import signal
import socket
import sys
import threading
import time
from multiprocessing.process import BaseProcess

import uvicorn

from vps_readapi.app import ReadApi, create_app
from vps_readapi.loops import find_loop
from vps_readapi.settings import ApiSettings

STOP_TIMEOUT_S = 5
BACKLOG = 2048
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
    if settings.processes > 1:
        return _supervise(settings)
    return _serve(settings, None)


def _serve(settings: ApiSettings, listener: socket.socket | None) -> int:
    """Run the server in this process."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=_find_protocol(),
        access_log=False,  # addresses hold clients' names and signatures
        log_config=None,
        server_header=False,
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
        runner.run(server.serve([listener] if listener else None))
    return 0 if server.started else 1


def _find_protocol() -> type[asyncio.Protocol]:
    """Return the protocol with the short way, or uvicorn's own where httptools is missing."""
    try:
        from vps_readapi.hot import HotProtocol  # noqa: PLC0415
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

        return H11Protocol
    return HotProtocol


def _supervise(settings: ApiSettings) -> int:
    """Run several processes on one socket; replace those that end, stop them all when told to."""
    listener = _listen(settings)
    stopping = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stopping.set())
    spawn = multiprocessing.get_context("spawn")

    def start(place: int) -> BaseProcess:
        own = _with_own_metrics(settings, place)
        process = spawn.Process(target=_run_worker, args=(own, listener), daemon=True)
        process.start()
        return process

    workers = [start(place) for place in range(settings.processes)]
    while not stopping.wait(0.2):
        for place, worker in enumerate(workers):
            if not worker.is_alive():
                stopping.wait(RESTART_PAUSE_S)
                if not stopping.is_set():
                    workers[place] = start(place)
    return _stop_all(workers)


def _with_own_metrics(settings: ApiSettings, place: int) -> ApiSettings:
    port = settings.metrics_port + place if settings.metrics_port else 0
    return settings.model_copy(update={"metrics_port": port})


def _run_worker(settings: ApiSettings, listener: socket.socket) -> None:
    from vps_readapi.logs import set_up_logging  # noqa: PLC0415

    set_up_logging()
    listener.set_inheritable(False)  # else the process of the logins would keep the port
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(_serve(settings, listener))


def _end_with_parent() -> None:
    """Stop when the process that would replace and stop this one is gone: else it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _thread.interrupt_main()


def _stop_all(workers: list[BaseProcess]) -> int:
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT_S + 2
    for worker in workers:
        worker.join(max(0.1, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
    return 0


def _listen(settings: ApiSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there the option would let another program take the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener
