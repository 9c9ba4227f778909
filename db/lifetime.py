"""Processes that end with the one that started them, in whatever state either of them is.

Linux: the child asks the kernel for SIGKILL at its parent's death before it becomes its program (`db.tied`).
The kernel means the thread that started it, so that is the main one, or one that never ends.
Windows: a job object that ends with its last handle, which the parent alone has (`db.job`). A child is put in
it right after it was made; one whose parent dies in between, a matter of microseconds, is missed.
Elsewhere (macOS) the system has no such thing: our own programs end when their line to the parent is closed,
which one that is stopped sees when it goes on.

PostgreSQL's servers are not started like this, for one that is killed has to recover: `infra.devstack.keeper`
asks them to stop. Nor are `initdb` and `pg_ctl`, which another user runs, and which end by themselves.
"""

from __future__ import annotations

import functools
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any

from db import tied

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection

    from db import job

Child = subprocess.Popen[Any]
START_S = 30.0
Command = Sequence[str | os.PathLike[str]]


def start(command: Command, *, handles: Sequence[int] = (), **options: Any) -> Child:
    """Start a child that inherits these handles (on POSIX, file descriptors) and, from now on, ends with us.

    options: what subprocess.Popen takes. Raise OSError if the program is not there.
    """
    environ = options.get("env")
    path = (os.environ if environ is None else environ).get("PATH", os.defpath)
    if shutil.which(command[0], path=path) is None:
        raise FileNotFoundError(f"no program {os.fspath(command[0])}")
    if sys.platform == "win32":
        return job.start(command, handles, options)
    if sys.platform != "linux":
        return subprocess.Popen(command, pass_fds=handles, **options)
    return _starter()(lambda: _start_tied(command, handles, options))


def tie(command: Command) -> list[str]:
    """Return a command of two parts or more that, on Linux, ends with the thread which runs it."""
    plain = [os.fspath(part) for part in command]
    return plain if sys.platform != "linux" else [*_tied(), *plain]


def take_line(handle: int) -> Connection:
    """Return the child's end of a line that it inherited."""
    if sys.platform == "win32":
        return PipeConnection(handle)
    return Connection(handle)


def _tied() -> list[str]:
    return [sys.executable, "-I", "-S", tied.__file__, str(os.getpid())]


def _start_tied(command: Command, handles: Sequence[int], options: dict[str, Any]) -> Child:
    """Start a child, and return when it is tied and has become the program."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(tied.SEPARATOR.join(map(os.fsencode, command)))
        ours.shutdown(socket.SHUT_WR)
        with theirs:
            handle = theirs.fileno()
            child = subprocess.Popen([*_tied(), str(handle)], pass_fds=[*handles, handle], **options)
        ours.settimeout(START_S)
        try:
            ours.recv(1)
        except TimeoutError:
            child.kill()
            raise
    return child


def _starter() -> Callable[[Callable[[], Child]], Child]:
    """Return what calls in a thread that lasts: this one if it is the main one, else the one for it."""
    if threading.get_native_id() == os.getpid():
        return lambda make: make()
    return _Starter.the_one().call


class _Starter:
    """A thread that starts children for those that may end before them, and never ends."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[Callable[[], Child], Future[Child]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="starter", daemon=True).start()

    @classmethod
    @functools.cache
    def the_one(cls) -> _Starter:
        """Return this process's own."""
        return cls()

    def call(self, make: Callable[[], Child]) -> Child:
        """Have a child made there."""
        made: Future[Child] = Future()
        self._asked.put((make, made))
        return made.result()

    def _run(self) -> None:
        while True:
            _settle(*self._asked.get())


def _settle(make: Callable[[], Child], made: Future[Child]) -> None:
    try:
        made.set_result(make())
    except BaseException as error:  # noqa: BLE001  # raised where it was asked for
        made.set_exception(error)
