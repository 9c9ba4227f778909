"""An SGP that answers live questions well and badly: `python -m tests.sgp_server PORT LOG_FILE`.

`/materiais/{id}` is a trick for some ids from TRICKS_FROM on; what arrives is written to the log.
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

MATERIAL = {
    "id": 7,
    "nome": "Lona 440 g",
    "tipo": "lona",
    "valor_metro": 31.5,
    "estoque_metros": -3.5,
    "ativo": True,
    "observacao": None,
    "custo_secreto": "CANARIO",
}
MAQUINA = {"id": 1, "name": "Epson 1", "active": True, "created_at": "2026-01-11T10:00:00Z", "ip": "CANARIO"}
RANKING = {"nome": "LONA", "quantidade_itens": 5, "area_total_m2": 10.5, "percentual_area": 100.0}
KPIS = {"total_itens": 5, "total_area_m2": 10.5, "material_mais_usado": "LONA", "m2_pico": 3.0}
STATS = {
    "kpis": KPIS,
    "ranking_materiais": [RANKING],
    "ranking_acabamentos": [],
    "por_tipo_producao": {"painel": [RANKING | {"lucro": "CANARIO"}]},
}
EVOLUCAO = {
    "top_3_nomes": ["LONA"],
    "evolucao": [{"data": "2026-01-11", "total": 3.0, "top_materiais": {"LONA": 3.0}}],
}
FILA = {
    "machine_id": 1,
    "machine_name": "Epson 1",
    "total_items": 1,
    "total_area": 6.0,
    "queue": [{"order_id": 7, "order_number": "0000000007", "item_index": 0, "preview_url": "CANARIO"}],
}
PRINTER_STATS = {"printer_id": 1, "printer_name": "Epson 1", "total_prints": 3, "successful": 2, "errors": 1}
RELATORIO = {
    "total_pedidos": 2,
    "valor_total": 806.5,
    "obs_pagamento": "CANARIO",
    "items": [{"cliente": "ACME", "total": 2, "valor_total": 806.5, "telefone": "CANARIO"}],
}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def make_log(number: int) -> dict[str, Any]:
    """Return a print log as SGP writes it."""
    return {
        "id": number,
        "printer_id": 1 + number % 2,
        "printer_name": "Epson",
        "pedido_id": 7,
        "pedido_numero": "0000000007",
        "cliente": "Agência Ção",
        "item_id": 7000,
        "status": "success",
        "error_message": "CANARIO",
        "item_descricao": "Painel",
        "item_imagem": "CANARIO",
        "item_medidas": "3,00 x 2,00 m",
        "item_material": "Lona",
        "created_at": "2026-01-11T10:00:00Z",
    }


def with_body(body: bytes, *fields: bytes) -> bytes:
    """Return a whole answer."""
    head = OK + b"".join(field + b"\r\n" for field in fields)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def write(value: Any) -> bytes:
    """Return an answer of JSON."""
    return with_body(json.dumps(value).encode())


TRICKS_FROM = 1_900_000_000
"""No fuzzer finds these by chance."""
GOOD = json.dumps(MATERIAL).encode()
BOMB = gzip.compress(b" " * 64_000_000, 9)
TRICKS: dict[int, bytes] = {
    1000: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:PORT/trap\r\nContent-Length: 0\r\n\r\n",
    1001: with_body(BOMB, b"Content-Encoding: gzip"),
    1002: with_body(b"[" * 200_000),
    1003: with_body(b'{"id":' * 150 + b"1" + b"}" * 150),
    1004: with_body(b"[1,2,3]"),
    1005: OK.replace(b"application/json", b"text/html") + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
    1006: with_body(GOOD, b"Content-Encoding: br"),
    1007: with_body(gzip.compress(GOOD)[:-9], b"Content-Encoding: gzip"),
    1008: with_body(gzip.compress(GOOD) + b"more", b"Content-Encoding: gzip"),
    1009: with_body(GOOD, b"Set-Cookie: session=stolen", b"X-Evil: 1", b"Access-Control-Allow-Origin: evil"),
    1010: with_body(GOOD[:-5]),
    1011: OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + GOOD,
    1012: OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + GOOD,
    1013: b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 400_000 + b"\r\n\r\n",
    1014: b"SSH-2.0-OpenSSH_9.6\r\n",
    1015: with_body(b'{"id":1,"nome":"x","estoque_metros":NaN}'),
    1016: with_body(b'{"id":1,"nome":"\\ud800"}'),
    1017: with_body(b'{"id":99999999999999999999999,"nome":"x","estoque_metros":1e999}'),
    1018: with_body(b'{"id":1,"nome":"' + b"a" * 1_500_000 + b'"}'),
    1019: b"HTTP/1.1 500 Oops\r\nContent-Length: 7\r\n\r\nCANARIO",
    1020: b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n",
    1021: b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
    1022: b"HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\nCANARIO",
    1023: b"HTTP/1.1 422 No\r\nContent-Length: 7\r\n\r\nCANARIO",
    1024: with_body(b""),
    1025: with_body(b"\xff\xfe" + GOOD),
    1026: b"HTTP/1.1 204 No Content\r\n\r\n",
    1027: with_body(gzip.compress(GOOD), b"Content-Encoding: gzip"),
    1028: b"HTTP/1.1 307 Found\r\nLocation: //127.0.0.1:PORT/trap\r\nContent-Length: 0\r\n\r\n",
    1029: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
}
"""What is answered at once; 1 MB is the largest answer that is taken."""


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, for ever."""
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\n \r\n")
        time.sleep(0.2)


def pour(connection: socket.socket) -> None:
    """Send without end."""
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def stay_silent(connection: socket.socket) -> None:
    """Send nothing, until the other end leaves."""
    connection.recv(65536)


def inform(connection: socket.socket) -> None:
    """Send informational answers without end."""
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.01)


def inflate_nothing(connection: socket.socket) -> None:
    """Send gzip's blocks of nothing without end."""
    connection.sendall(OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.sendall(b"a\r\n" + gzip.compress(b"")[:10] + b"\r\n")
    while True:
        connection.sendall(b"4e20\r\n" + b"\x00\x00\x00\xff\xff" * 4000 + b"\r\n")


ENDLESS: dict[int, Callable[[socket.socket], None]] = {
    1100: drip,
    1101: pour,
    1102: stay_silent,
    1103: inform,
    1104: inflate_nothing,
}


class Sgp(ThreadingHTTPServer):
    """The server; `held` keeps all answers back, `logs` grows by POST /test/log."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, log_file: Path) -> None:
        self.log_file = log_file
        self.lock = threading.Lock()
        self.logs: list[int] = list(range(1, 6))
        self.open = threading.Event()
        self.open.set()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a link that breaks is meant to."""

    def note(self, handler: BaseHTTPRequestHandler) -> None:
        """Write down what arrived."""
        line = {
            "method": handler.command,
            "target": handler.path,
            "headers": {name.lower(): value for name, value in handler.headers.items()},
        }
        with self.lock, self.log_file.open("a") as file:
            file.write(json.dumps(line) + "\n")


class _Handler(BaseHTTPRequestHandler):
    server: Sgp
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a command of the test's, or note what should never come."""
        command = self.path.removeprefix("/test/")
        if command == "log":
            self.server.logs.append(self.server.logs[-1] + 1)
        elif command == "hold":
            self.server.open.clear()
        elif command == "release":
            self.server.open.set()
        else:
            self.server.note(self)
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def do_GET(self) -> None:
        """Answer a question."""
        self.server.note(self)
        self.server.open.wait(30)
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        number = int(path.rpartition("/")[2]) if path.rpartition("/")[2].isdigit() else 0
        if path.startswith("/materiais/") and number - TRICKS_FROM in TRICKS | ENDLESS:
            self._trick(number - TRICKS_FROM)
            return
        self.connection.sendall(self._answer(path, number, query))

    def _answer(self, path: str, number: int, query: dict[str, list[str]]) -> bytes:
        limit = int(query.get("limit", ["100"])[0])
        newest = [make_log(one) for one in reversed(self.server.logs)][:limit]
        answers: dict[str, Any] = {
            "/materiais/": [MATERIAL],
            f"/materiais/{number}": MATERIAL | {"id": number},
            "/materiais/stats": STATS,
            "/materiais/stats/evolucao": EVOLUCAO,
            "/maquinas/": [MAQUINA],
            "/maquinas/ativos": [MAQUINA],
            f"/maquinas/{number}": MAQUINA | {"id": number},
            "/maquinas/dashboard/overview": [FILA],
            "/print-logs/": newest,
            f"/print-logs/printers/{number}": [one for one in newest if one["printer_id"] == number],
            f"/print-logs/stats/{number}": PRINTER_STATS,
            "/relatorios/fechamentos": RELATORIO,
            "/relatorios/envios": [RELATORIO],
        }
        return write(answers[path]) if path in answers else b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"

    def _trick(self, number: int) -> None:
        self.close_connection = True
        try:
            if number in ENDLESS:
                ENDLESS[number](self.connection)
            else:
                self.connection.sendall(TRICKS[number].replace(b"PORT", b"%d" % self.server.server_port))
        except ConnectionError:
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


if __name__ == "__main__":
    with Sgp(int(sys.argv[1]), Path(sys.argv[2])) as server:
        server.serve_forever(0.05)
