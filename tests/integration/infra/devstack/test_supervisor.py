"""Service processes and their control server: real processes, no clusters."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from db.waiting import wait_until
from infra.devstack.errors import (
    CommandRefusedError,
    DevstackError,
    NotRunningError,
    ServiceDiedError,
    ServiceStartError,
    StateFileError,
)
from infra.devstack.state import ProcessState, StackState, read_state, remove_state, write_state
from infra.devstack.supervisor import ControlServer, ServiceSpec, Supervisor, end_leftovers, send_command

pytestmark = pytest.mark.integration

# Ready after its first line, so that whoever waited for it finds the line.
OBEDIENT = "import sys, time; print('up', flush=True); open(sys.argv[1], 'w').close(); time.sleep(600)"
STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + OBEDIENT
PARENT = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    + OBEDIENT
)
FAILING = "import sys; print('no such setting: x'); sys.exit(3)"


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    one = Supervisor()
    yield one
    one.stop(timeout_s=1)


def spec(name: str, code: str, folder: Path) -> ServiceSpec:
    flag = folder / f"{name}.ready"
    return ServiceSpec(
        name,
        [sys.executable, "-c", code, str(flag)],
        dict(os.environ),
        folder / "logs" / f"{name}.log",
        flag.exists,
    )


def test_start_waits_until_ready_and_stop_goes_backwards(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("api", "worker"):
        supervisor.start(spec(name, OBEDIENT, tmp_path))
    states = supervisor.processes()
    assert list(states) == ["api", "worker"]
    assert os.getsid(states["api"].pid) == states["api"].pid != os.getsid(0)
    assert (tmp_path / "logs" / "api.log").read_text() == "up\n"
    supervisor.check()
    supervisor.stop()
    assert not any(state.is_alive() for state in states.values())
    assert supervisor.processes() == {}


def test_stop_kills_what_does_not_listen(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(spec("worker", STUBBORN, tmp_path))
    supervisor.start(spec("api", PARENT, tmp_path))
    children = psutil.Process(supervisor.processes()["api"].pid).children()
    assert len(children) == 1
    supervisor.stop(timeout_s=0.3)
    assert supervisor.processes() == {}
    assert wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in children), 60)


def test_a_service_that_ends_early_shows_its_last_lines(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    log.parent.mkdir()
    log.write_text("an older run\n")
    with pytest.raises(ServiceStartError, match="'api' ended with exit code 3") as caught:
        supervisor.start(spec("api", FAILING, tmp_path))
    assert caught.value.log_lines == ("no such setting: x",)
    assert "HINT" in str(caught.value)


def test_a_service_that_is_never_ready_is_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    never = spec("api", "import time; time.sleep(600)", tmp_path)
    with pytest.raises(ServiceStartError, match="was not ready in 0.2 s"):
        supervisor.start(never, timeout_s=0.2)
    assert supervisor.processes() == {}


def test_a_program_that_is_not_there(supervisor: Supervisor, tmp_path: Path) -> None:
    gone = ServiceSpec("api", ["/nonexistent/x"], {}, tmp_path / "x.log", lambda: True)
    with pytest.raises(ServiceStartError, match="cannot be run"):
        supervisor.start(gone)


def test_a_service_that_dies_is_reported_by_name(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(spec("api", OBEDIENT, tmp_path))
    supervisor.start(spec("worker", OBEDIENT, tmp_path))
    os.kill(supervisor.processes()["worker"].pid, signal.SIGKILL)
    with pytest.raises(ServiceDiedError, match="'worker' ended by itself with exit code -9") as caught:
        supervisor.watch(threading.Event(), interval_s=0.01)
    assert caught.value.log_lines == ("up",)


def test_leftovers_of_a_killed_stack_are_ended(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "flag")])
    assert wait_until((tmp_path / "flag").exists, 60)
    state = ProcessState.of(process.pid)
    child = psutil.Process(process.pid).children()[0]
    other = ProcessState(os.getpid(), 12.0)
    stack = StackState(other, 1, processes={"api": state, "reused": other})
    assert end_leftovers(stack) == ["api"]
    process.wait(5)
    assert wait_until(lambda: not child.is_running() or child.status() == "zombie", 60)


def test_state_round_trip(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    me = ProcessState.of(os.getpid())
    state = StackState(me, 4711, {"api": me}, {"sgp": 5501}, {"postgresql": "18.6"})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [one.name for one in tmp_path.iterdir()] == ["stack.json"]
    for damage in ("", "{", "[]", "{}", '{"supervisor": 3}'):
        (tmp_path / "stack.json").write_text(damage)
        with pytest.raises(StateFileError):
            read_state(tmp_path)
    remove_state(tmp_path)
    remove_state(tmp_path)
    assert read_state(tmp_path) is None


def refuse(request: dict[str, object]) -> dict[str, object]:
    raise DevstackError("mode 'x' is unknown", "use cut")


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlServer]:
    server = ControlServer(tmp_path, {"status": lambda r: {"seen": r.get("mode")}, "link": refuse})
    server.start()
    write_state(tmp_path, StackState(ProcessState.of(os.getpid()), server.port))
    yield server
    server.stop()


def test_commands(control: ControlServer, tmp_path: Path) -> None:
    assert send_command(tmp_path, "status", mode="deaf") == {"ok": True, "seen": "deaf"}
    with pytest.raises(CommandRefusedError, match="mode 'x' is unknown") as caught:
        send_command(tmp_path, "link", mode="x")
    assert caught.value.hint == "use cut"
    with pytest.raises(CommandRefusedError, match="unknown command 'nope'"):
        send_command(tmp_path, "nope")
    assert (tmp_path / "control.token").stat().st_mode & 0o777 == 0o600


def test_wrong_token(control: ControlServer, tmp_path: Path) -> None:
    (tmp_path / "control.token").write_text("wrong ç")
    with pytest.raises(CommandRefusedError, match="token is wrong"):
        send_command(tmp_path, "status")


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{}\n", b'{"token": 3}\n', b"\xff\n", b"x" * 100_000])
def test_garbage_is_answered(control: ControlServer, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", control.port), timeout=5) as sock:
        sock.sendall(line)
        try:
            assert b'"ok": false' in sock.recv(1000)
        except ConnectionResetError:
            assert len(line) > 65536


def test_nobody_runs(control: ControlServer, tmp_path: Path) -> None:
    me = ProcessState.of(os.getpid())
    write_state(tmp_path, StackState(ProcessState(me.pid, me.create_time - 100), control.port))
    with pytest.raises(NotRunningError, match="no dev stack is running"):
        send_command(tmp_path, "status")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    write_state(tmp_path, StackState(me, port))
    with pytest.raises(NotRunningError, match="does not answer"):
        send_command(tmp_path, "status")
    remove_state(tmp_path)
    with pytest.raises(NotRunningError):
        send_command(tmp_path, "status")
