"""The rendering processes: one photo each at a time, bounded in time and memory.

Not concurrent.futures: there, one process that dies or is killed fails the photos of all the others.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from db import lifetime
from db.motivo import Motivo
from thumbnail_worker.photos.messages import OriginalState, PhotoLimits, Rejected, Reply, Task, Unreadable

_START_S = 60.0
_END_S = 5.0
"""A process in the middle of a read from a dead share can't even be killed: it is left to end by itself."""


class RenderDiedError(Exception):
    """The process ended in the middle of a photo.

    original: what it was about, None if the file had not been read yet.
    """

    def __init__(self, original: OriginalState | None) -> None:
        super().__init__("the rendering process ended")
        self.original = original


class RenderPool:
    """Some processes; as many threads may have a photo made at the same time."""

    def __init__(self, processes: int, limits: PhotoLimits) -> None:
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

    def __init__(self, limits: PhotoLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._process: lifetime.Child | None = None
        self._line: Connection | None = None
        self._ready = False

    def start(self) -> None:
        with self._lock:
            self._open()

    def make(self, task: Task) -> Reply:
        original: OriginalState | None = None
        try:
            with self._lock:
                line = self._open()
            if not self._await_start(line):
                raise RenderDiedError(None)
            line.send(task)
            said = self._receive(line)
            if isinstance(said, OriginalState):
                original = said
                said = self._receive(line)
        except (EOFError, OSError) as error:
            self.kill()
            raise RenderDiedError(original) from error
        if said is not None and not isinstance(said, OriginalState):
            return said
        self.kill()
        if original is None:
            return Unreadable("TimeoutError")
        return Rejected(Motivo.TEMPO_ESGOTADO, original.digest, original.seen)

    def kill(self) -> None:
        with self._lock:
            process, line = self._process, self._line
            self._process = self._line = None
            self._ready = False
        if process is not None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        if line is not None:
            line.close()

    def _open(self) -> Connection:
        if self._line is not None:
            return self._line
        ours, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", "thumbnail_worker.photos.renderer", str(theirs.fileno())]
            self._process = lifetime.start(command, handles=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._line = ours
        ours.send(self._limits)
        return ours

    def _await_start(self, line: Connection) -> bool:
        if not self._ready:
            if not line.poll(_START_S):
                return False
            self._ready = line.recv() == "ready"
        return self._ready

    def _receive(self, line: Connection) -> Reply | OriginalState | None:
        """Return what the process says next, None if it takes too long."""
        if not line.poll(self._limits.seconds):
            return None
        said: Reply | OriginalState = line.recv()
        return said
