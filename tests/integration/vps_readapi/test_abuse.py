"""What strangers and users can't do to others: fill the memory, take all places, hold the lists."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import lifetime
from db.waiting import wait_until
from tests.fix_api import RunningApi, Windows, make_token, run_api
from tests.ports import find_free_port

pytestmark = pytest.mark.integration

PLACES = 40
ORDERS = 4000
"""Whose list is larger than any buffer on its way."""


@pytest.fixture(scope="module")
def crowded(windows: Windows) -> Iterator[RunningApi]:
    """An API with few places."""
    with (
        windows.open(pedidos=ORDERS) as dsn,
        run_api(dsn, max_connections=str(PLACES), max_address_connections=str(PLACES)) as running,
    ):
        yield running


def ask(api: RunningApi, path: str, *, user_id: int = 1, timeout: float = 60, **headers: str) -> int:
    """Ask on a connection of its own and read all of the answer; return the status."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=timeout)) as line:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request("GET", path, headers={"Authorization": f"Bearer {make_token(user_id)}", **fields})
        answer = line.getresponse()
        answer.read()
        return answer.status


def read_resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def request_with_tags(number: int) -> bytes:
    tags = ",".join(f"{number:x}{tag:x}" for tag in range(350))
    head = (
        f"GET /pedidos/{1 + number % ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {make_token()}\r\n"
    )
    return f"{head}If-None-Match: {tags}\r\n\r\n".encode()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's size")
def test_requests_that_are_all_alike_but_for_their_tags_fill_nothing(crowded: RunningApi) -> None:
    assert ask(crowded, "/pedidos/1") == 200
    before_mb = read_resident_mb(crowded.process.pid)
    with socket.create_connection(("127.0.0.1", crowded.port), timeout=60) as line:
        stream = line.makefile("rb")
        for number in range(1000):
            line.sendall(request_with_tags(number))
            status = stream.readline()
            length = 0
            while (field := stream.readline()) != b"\r\n":
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            assert status.split()[1] == b"200"
            stream.read(length)
    assert read_resident_mb(crowded.process.pid) - before_mb < 32


def test_idle_strangers_take_nobodys_place(crowded: RunningApi) -> None:
    with contextlib.ExitStack() as stack:
        phone = stack.enter_context(contextlib.closing(crowded.connect()))
        assert phone.get("/pedidos/1").status == 200
        for _ in range(3 * PLACES):
            stack.enter_context(socket.create_connection(("127.0.0.1", crowded.port), timeout=60))
        assert [ask(crowded, f"/pedidos/{one}") for one in range(1, 6)] == [200] * 5
        assert phone.get("/pedidos/1").status == 200, "who had shown a session had to go"
        for _ in range(3 * PLACES):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", crowded.port), timeout=60))
            with contextlib.suppress(OSError):
                half.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert ask(crowded, "/pedidos/2") == 200


def hold_list(api: RunningApi, user_id: int) -> socket.socket:
    """Ask for the whole list and take nothing of it."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(60)
    line.connect(("127.0.0.1", api.port))
    line.sendall(
        f"GET /pedidos/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {make_token(user_id)}\r\n\r\n".encode()
    )
    assert line.recv(12) == b"HTTP/1.1 200"
    return line


@pytest.mark.parametrize("path", ["/pedidos/", "/pedidos/?busca=agencia", "/pedidos/?desde=x.1"])
def test_a_list_that_is_not_taken_holds_up_its_own_user_alone(crowded: RunningApi, path: str) -> None:
    assert ask(crowded, "/pedidos/") == 200
    with contextlib.closing(hold_list(crowded, 1)) as held:
        assert ask(crowded, path, user_id=2) == 200
        assert ask(crowded, "/pedidos/7", user_id=1) == 200
        statuses: list[int] = []
        waiting = threading.Thread(target=lambda: statuses.append(ask(crowded, path, user_id=1)))
        waiting.start()
        assert ask(crowded, path, user_id=2) == 200
        assert statuses == [], "the second list did not wait for the first"
        held.close()
        waiting.join(60)
        assert statuses == [200]


def test_the_ingest_is_not_shut_by_those_who_say_nothing(tmp_path: Path) -> None:
    port = find_free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PONTE_")}
    environment |= {
        "PONTE_INGEST_KEY": "i" * 40,
        "PONTE_INGEST_MEDIA_DIR": str(tmp_path),
        "PONTE_INGEST_PORT": str(port),
    }
    process = lifetime.start([sys.executable, "-m", "vps_readapi.ingest"], env=environment)

    def answers() -> bool:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as line:
            try:
                line.request("GET", "/miniaturas")
                return line.getresponse().status == 401
            except (OSError, http.client.HTTPException):
                return False

    try:
        assert wait_until(answers, 60)
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            assert wait_until(answers, 30)
    finally:
        process.terminate()
        process.wait(60)
