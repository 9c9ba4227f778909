"""The rendering processes: one photo each at a time, bounded in time and memory.

Not concurrent.futures: there, one process that dies or is killed fails the photos of all the others.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from thumbnail_worker.errors import Motivo
from thumbnail_worker.making import (
    Limits,
    Read,
    Rejected,
    Reply,
    Task,
    Unreadable,
    make_renditions,
    read_photo,
)
from thumbnail_worker.media import Media
from thumbnail_worker.render import arm_pixel_guard

_SPAWN = multiprocessing.get_context("spawn")  # the only way that Windows has, and clean everywhere
_START_S = 60.0
_END_S = 5.0
"""A process in the middle of a read from a dead share can't even be killed: it is left to end by itself."""


class RenderDiedError(Exception):
    """The process ended in the middle of a photo.

    read: what it was about, None if the file had not been read yet.
    """

    def __init__(self, read: Read | None) -> None:
        super().__init__("the rendering process ended")
        self.read = read


class RenderPool:
    """Some processes; as many threads may have a photo made at the same time."""

    def __init__(self, processes: int, limits: Limits) -> None:
        """Start nothing yet: each process starts with its first photo."""
        self.processes = processes
        self._renderers = [_Renderer(limits) for _ in range(processes)]
        self._closed = threading.Event()
        self._free: queue.LifoQueue[_Renderer] = queue.LifoQueue()
        for renderer in self._renderers:
            self._free.put(renderer)

    def start(self) -> None:
        """Start the processes, so that the first photo need not wait for it."""
        self._closed.clear()
        for renderer in self._renderers:
            renderer.start()

    def make(self, task: Task) -> Reply:
        """Have a photo made. Raise RenderDiedError if the process ends by itself."""
        renderer = self._free.get()
        try:
            if self._closed.is_set():
                raise RenderDiedError(None)
            return renderer.make(task)
        finally:
            self._free.put(renderer)

    def close(self) -> None:
        """End the processes, whatever they are at; no photo is made until `start`."""
        self._closed.set()
        for renderer in self._renderers:
            renderer.kill()


class _Renderer:
    """One process, started when it is needed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._line: Connection | None = None
        self._ready = False

    def start(self) -> None:
        with self._lock:
            self._open()

    def make(self, task: Task) -> Reply:
        read: Read | None = None
        try:
            with self._lock:
                line = self._open()
            if not self._await_start(line):
                raise RenderDiedError(None)
            line.send(task)
            said = self._receive(line)
            if isinstance(said, Read):
                read = said
                said = self._receive(line)
        except (EOFError, OSError) as error:
            self.kill()
            raise RenderDiedError(read) from error
        if said is not None and not isinstance(said, Read):
            return said
        self.kill()
        if read is None:
            return Unreadable("TimeoutError")
        return Rejected(Motivo.TEMPO_ESGOTADO, read.digest, read.seen)

    def kill(self) -> None:
        with self._lock:
            process, line = self._process, self._line
            self._process = self._line = None
            self._ready = False
        if process is not None:
            process.kill()
            process.join(_END_S)
        if line is not None:
            line.close()

    def _open(self) -> Connection:
        if self._line is not None:
            return self._line
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_run, args=(theirs, self._limits), name="render", daemon=True)
        process.start()
        theirs.close()
        self._process, self._line = process, ours
        return ours

    def _await_start(self, line: Connection) -> bool:
        if not self._ready:
            if not line.poll(_START_S):
                return False
            self._ready = line.recv() == "ready"
        return self._ready

    def _receive(self, line: Connection) -> Reply | Read | None:
        """Return what the process says next, None if it takes too long."""
        if not line.poll(self._limits.seconds):
            return None
        said: Reply | Read = line.recv()
        return said


def _run(line: Connection, limits: Limits) -> None:
    """Serve as one process, until the other end of the line is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's matter
    _limit_memory(limits.memory_mb)
    arm_pixel_guard(limits.max_pixels)
    media = Media(limits.media_root, max_bytes=limits.max_bytes)
    with contextlib.suppress(EOFError, OSError):
        line.send("ready")
        while True:
            _serve(line, media, line.recv())


def _serve(line: Connection, media: Media, task: Task) -> None:
    got = read_photo(media, task)
    if isinstance(got, tuple):
        read, content = got
        line.send(read)
        got = make_renditions(task, read, content)
    line.send(got)


def _limit_memory(memory_mb: int) -> None:
    """Have a photo that wants more meet a MemoryError; on Windows only the limit of pixels holds."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
