"""The server: one process on a socket, or several that share it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe

from db import lifetime
from db.extras import need
from db.listening import listen
from db.loading import loading
from vps_readapi.settings import ApiSettings

STOP_TIMEOUT_S = 7
"""A process that serves takes five to end what is under way."""
RESTART_PAUSE_S = 1.0


def serve(settings: ApiSettings) -> int:
    """Serve until told to stop; return 0, or 1 if it could not start."""
    check_places(settings)
    listener = listen(settings.host, settings.port, source="PONTE_API_")
    if settings.processes > 1:
        return _supervise(settings, listener)
    return _serve_here(settings, listener)


def _serve_here(settings: ApiSettings, listener: socket.socket) -> int:
    """Load what serves only where it does: who watches over others is a third as large."""
    with need("api"), loading():
        from vps_readapi.serving import serve_here  # noqa: PLC0415

    return serve_here(settings, listener)


def check_places(settings: ApiSettings) -> None:
    """Try what the application opens as it starts, where a refusal can still be told in a sentence."""
    if settings.metrics_port:
        for place in range(settings.processes):
            port = settings.metrics_port + place
            listen(settings.metrics_host, port, source="PONTE_API_METRICS_").close()
    if settings.sgp_url:
        settings.originals_dir.mkdir(parents=True, exist_ok=True)


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
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for worker in workers:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    return 0
