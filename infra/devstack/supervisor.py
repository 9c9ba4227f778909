"""The stack's service processes, and the small server through which another terminal commands them."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from db import lifetime
from db.waiting import wait_until
from infra.devstack.errors import (
    CommandRefusedError,
    DevstackError,
    NotRunningError,
    ServiceDiedError,
    ServiceStartError,
    last_lines,
)
from infra.devstack.state import ProcessState, StackState, own_group, read_state, replace_file

HOST = "127.0.0.1"
TOKEN_FILE = "control.token"  # noqa: S105
MESSAGE_BYTES = 64 * 1024
MESSAGE_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 60.0

Reply = Mapping[str, object]
Handler = Callable[[dict[str, Any]], Reply]


@dataclass(frozen=True)
class ServiceSpec:
    """A wanted process; `ready` is asked again and again until it says yes."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log_file: Path
    ready: Callable[[], bool]


class Supervisor:
    """Starts services in order and stops them in reverse; none is started again behind anybody's back."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[ServiceSpec, lifetime.Child]] = {}

    def start(self, spec: ServiceSpec, *, timeout_s: float = 30) -> None:
        """Start a service and wait until it is ready; raises ServiceStartError with its last log lines."""
        since = spec.log_file.stat().st_size if spec.log_file.exists() else 0
        process = _spawn(spec)
        self._running[spec.name] = spec, process
        settled = wait_until(lambda: process.poll() is not None or spec.ready(), timeout_s)
        if settled and process.poll() is None:
            return
        self._stop_one(spec.name, timeout_s=5)
        how = f"ended with exit code {process.returncode}" if settled else f"was not ready in {timeout_s:g} s"
        raise ServiceStartError(
            f"service '{spec.name}' {how}",
            f"the reason is in {spec.log_file}",
            log_lines=last_lines(spec.log_file, since_bytes=since),
        )

    def check(self) -> None:
        """Raise ServiceDiedError for the first service that ended by itself."""
        for spec, process in self._running.values():
            if process.poll() is not None:
                raise ServiceDiedError(
                    f"service '{spec.name}' ended by itself with exit code {process.returncode}",
                    f"the reason is in {spec.log_file}",
                    log_lines=last_lines(spec.log_file),
                )

    def watch(self, stopping: threading.Event, *, interval_s: float = 0.2) -> None:
        """Check the services until told to stop."""
        while not stopping.wait(interval_s):
            self.check()

    def stop(self, *, timeout_s: float = 10) -> None:
        """Stop all services in reverse order of their start: ask, wait, kill."""
        with contextlib.ExitStack() as stops:
            for name in self._running:
                stops.callback(self._stop_one, name, timeout_s=timeout_s)

    def processes(self) -> dict[str, ProcessState]:
        """Describe the services that run, by name."""
        alive = {name: process for name, (_, process) in self._running.items() if process.poll() is None}
        return {name: ProcessState.of(process.pid) for name, process in alive.items()}

    def _stop_one(self, name: str, *, timeout_s: float) -> None:
        _, process = self._running[name]
        family = _family(process.pid) if process.poll() is None else []
        if family:
            _ask_to_end(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
        _kill(family)
        process.wait(timeout_s)
        del self._running[name]


class ControlServer:
    """Answers one JSON line per connection on 127.0.0.1, for whoever can read the token file."""

    def __init__(self, root: Path, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._token = secrets.token_urlsafe(32)
        replace_file(root / TOKEN_FILE, self._token, mode=0o600)
        self._server = _Server(self._talk)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; the token file stays and is worth nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(MESSAGE_TIMEOUT_S)
        with contextlib.suppress(OSError), connection.makefile("rwb") as stream:
            reply = self._answer(stream.readline(MESSAGE_BYTES))
            stream.write(json.dumps(reply).encode() + b"\n")

    def _answer(self, line: bytes) -> Reply:
        try:
            request = json.loads(line)
        except ValueError:
            return _refusal("the message is not JSON", "send one JSON object on one line")
        token = request.get("token") if isinstance(request, dict) else None
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self._token.encode()):
            return _refusal(
                "the token is wrong", f"use the one in {TOKEN_FILE}, as the user who runs the stack"
            )
        handler = self._handlers.get(str(request.get("command")))
        if handler is None:
            return _refusal(
                f"unknown command '{request.get('command')}'",
                f"use one of: {', '.join(sorted(self._handlers))}",
            )
        try:
            return {"ok": True, **handler(request)}
        except DevstackError as error:
            return _refusal(error.fact, error.hint)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        super().__init__((HOST, 0), socketserver.BaseRequestHandler)
        self._talk = talk

    def finish_request(self, request: Any, client_address: object) -> None:  # noqa: ARG002
        self._talk(request)


def send_command(root: Path, command: str, **fields: object) -> dict[str, Any]:
    """Send a command to the stack that runs in this root and return its answer.

    Raises NotRunningError if there is none, CommandRefusedError if it says no.
    """
    port = _find_port(root)
    message = {**fields, "token": _read_token(root), "command": command}
    try:
        reply = _exchange(port, message)
    except (OSError, ValueError) as error:
        raise NotRunningError(
            "the dev stack does not answer", "see whether its terminal still runs; start it again if not"
        ) from error
    if reply.get("ok") is not True:
        raise CommandRefusedError(str(reply.get("error")), str(reply.get("hint")))
    return reply


def end_leftovers(state: StackState, *, timeout_s: float = 10) -> list[str]:
    """End the services that a killed stack left behind and return their names."""
    left = {name: process for name, process in state.processes.items() if process.is_alive()}
    families = [_family(process.pid) for process in left.values()]
    for process in left.values():
        _ask_to_end(process.pid)
    wait_until(lambda: not any(process.is_alive() for process in left.values()), timeout_s)
    for family in families:
        _kill(family)
    return list(left)


def _exchange(port: int, message: Mapping[str, object]) -> dict[str, Any]:
    address = (HOST, port)
    with (
        socket.create_connection(address, timeout=REPLY_TIMEOUT_S) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.write(json.dumps(message).encode() + b"\n")
        stream.flush()
        reply = json.loads(stream.readline())
    if not isinstance(reply, dict):
        raise ValueError(f"an answer of type {type(reply).__name__}")  # noqa: TRY004
    return reply


def _find_port(root: Path) -> int:
    """Return the control port of a stack that lives: another process may have taken a dead one's port."""
    state = read_state(root)
    if state is None or not state.supervisor.is_alive():
        raise NotRunningError("no dev stack is running here", "start it with `python -m infra.devstack up`")
    return state.control_port


def _read_token(root: Path) -> str:
    try:
        return (root / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandRefusedError(
            f"{root / TOKEN_FILE} cannot be read", "work as the user who runs the stack"
        ) from error


def _refusal(fact: str, hint: str) -> Reply:
    return {"ok": False, "error": fact, "hint": hint}


def _spawn(spec: ServiceSpec) -> lifetime.Child:
    spec.log_file.parent.mkdir(parents=True, exist_ok=True)
    with spec.log_file.open("ab") as log:
        try:
            return lifetime.start(
                spec.argv, env=dict(spec.env), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **own_group()
            )
        except OSError as error:
            raise ServiceStartError(
                f"service '{spec.name}' cannot be run: {error}", f"see whether {spec.argv[0]} is there"
            ) from error


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants."""
    try:
        parent = psutil.Process(pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []


def _ask_to_end(pid: int) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.CTRL_BREAK_EVENT)
        else:
            os.kill(pid, signal.SIGTERM)


def _kill(family: Sequence[psutil.Process]) -> None:
    """Kill those that are left; psutil looks at the start time, so a reused id is safe."""
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
