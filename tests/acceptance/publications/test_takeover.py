"""Ponte takes over from the push that SGP sends today, as docs/moving.md says; a phone reads on."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

import pytest

from tests.fix_api import Client, run_api
from tests.fix_road import ROLE_PASSWORD, Road
from tests.ports import find_free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

KEY = "chave-de-hoje"
ORDER = 7


class Receiver:
    """What stands on the VPS today: it keeps what SGP pushes, and shows that."""

    def __init__(self) -> None:
        kept: dict[int, dict[str, Any]] = {}
        self.kept = kept

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                [order] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                kept[order["pedido_id"]] = order
                self._answer({})

            def do_GET(self) -> None:
                self._answer(kept[int(self.path.rsplit("/", 1)[1])])

            def _answer(self, body: object) -> None:
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", find_free_port()), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


def push(port: int, order: dict[str, Any]) -> int:
    """Send one order as SGP does; return the status, which is all that SGP looks at."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        headers = {"Content-Type": "application/json", "x-api-key": KEY}
        connection.request("POST", "/internal/sync/pedidos", json.dumps([order]), headers)
        return connection.getresponse().status


class Sgp:
    """Changes one order, in its database and, as long as it pushes, at an address."""

    def __init__(self, road: Road, receiver: Receiver) -> None:
        self._road, self._receiver = road, receiver
        self.pushes, self.total = True, 0

    def change(self, times: int = 1) -> dict[str, Any]:
        for _ in range(times):
            self.total += 1
            text = f"{self.total}.00"
            self._road.run("sgp", "UPDATE pedidos SET valor_total = %s WHERE id = %s", text, ORDER)
            sent: dict[str, Any] = {
                "pedido_id": ORDER,
                "numero": None,
                "cliente_nome": "x",
                "status": "pendente",
            }
            sent |= {"valor_total": float(self.total), "updated_at": "2026-11-23T12:27:45.264448Z"}
            if self.pushes:
                assert push(self._receiver.port, sent) == 200
        return sent


class Phone(Thread):
    """Reads one order again and again, wherever the public name leads."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._lock, self._over = Lock(), Event()
        self._port = port
        self.read: list[float] = []
        self.failed: list[object] = []

    def switch(self, port: int) -> None:
        """Have the name lead there."""
        with self._lock:
            self._port = port

    def run(self) -> None:
        while not self._over.wait(0.01):
            with self._lock:
                try:
                    self.read.append(look(self._port))
                except (OSError, KeyError, ValueError) as error:
                    self.failed.append(error)

    def end(self) -> None:
        self._over.set()
        self.join(30)


@contextmanager
def reading(port: int) -> Iterator[Phone]:
    """Have a phone read for the length of a block."""
    phone = Phone(port)
    phone.start()
    try:
        yield phone
    finally:
        phone.end()


def look(port: int) -> float:
    """Return the order's value, as whoever serves it says."""
    with closing(Client(port)) as client:
        return float(client.get(f"/pedidos/{ORDER}").json()["valor_total"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def test_replication_takes_over_beside_the_push_and_gives_back(mended_road: Road, receiver: Receiver) -> None:
    road, sgp = mended_road, Sgp(mended_road, receiver)
    vps = road.servers.clusters["vps"].conninfo("vps")
    sgp.change()
    with run_api(vps, password=ROLE_PASSWORD) as api, reading(receiver.port) as phone:

        def agree() -> bool:
            return look(api.port) == look(receiver.port) == sgp.total

        sgp.change(20)
        road.wait(agree, "both show the last change, each from its own road")
        phone.switch(api.port)
        sgp.change(20)
        road.wait(agree, "the old one goes on, so that the way back stays open")
        phone.switch(receiver.port)
        sgp.change(5)
        road.wait(agree, "there and back")
        phone.switch(api.port)
        sgp.pushes = False
        late = {**sgp.change(20), "valor_total": 1.0}
        road.wait(lambda: look(api.port) == sgp.total, "the last change without a push")
        assert push(api.port, late) >= 400
        assert look(api.port) == sgp.total
        seen = len(phone.read)
        road.wait(lambda: len(phone.read) > seen + 3, "the phone reads on")
    assert phone.failed == []
    assert phone.read == sorted(phone.read), "nothing older is ever shown after something newer"
    assert phone.read[-1] == sgp.total
    assert receiver.kept[ORDER]["valor_total"] == sgp.total - 20
