"""SGP's HTTP side, as far as live questions go: `python -m infra.devstack.sgp`, over the seeded database.

It reads PONTE_SGP_DSN and PONTE_DEV_SGP_PORT. Like SGP it asks nobody for a session, and refuses a bad one.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import psycopg
from psycopg.rows import dict_row

from db.engines import connect
from db.settings import read_secret
from infra.devstack.clusters import HOST
from infra.devstack.seed import DEMO_JWT_SECRET

PORT = "PONTE_DEV_SGP_PORT"
LISTS = {
    "/materiais/": "SELECT * FROM material ORDER BY id",
    "/maquinas/": "SELECT * FROM machines ORDER BY id",
    "/maquinas/ativos": "SELECT * FROM machines WHERE active ORDER BY id",
    "/print-logs/": (
        "SELECT l.*, lower(l.status::text) AS status, m.name AS printer_name,"
        " p.numero AS pedido_numero, p.cliente"
        " FROM print_logs l JOIN machines m ON m.id = l.printer_id LEFT JOIN pedidos p ON p.id = l.pedido_id"
        " ORDER BY l.created_at DESC, l.id DESC LIMIT %(limit)s OFFSET %(offset)s"
    ),
}
ONES = {
    "/materiais": "SELECT * FROM material WHERE id = %(id)s",
    "/maquinas": "SELECT * FROM machines WHERE id = %(id)s",
}


class SgpServer(ThreadingHTTPServer):
    """The server; each question has a database session of its own."""

    daemon_threads = True

    def __init__(self, port: int, dsn: str) -> None:
        self.dsn = dsn
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a link that breaks is meant to."""

    def find(self, path: str, query: dict[str, list[str]]) -> Any:
        """Return the answer; None if there is none."""
        limits = {name: int(query.get(name, [default])[0]) for name, default in DEFAULTS.items()}
        if path in LISTS:
            return self._fetch(LISTS[path], limits)
        kind, _, number = path.rpartition("/")
        if kind in ONES and number.isdecimal():
            return next(iter(self._fetch(ONES[kind], {"id": int(number)})), None)
        return None

    def _fetch(self, statement: str, parameters: dict[str, int]) -> list[dict[str, Any]]:
        with connect(self.dsn) as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()


DEFAULTS = {"limit": "100", "offset": "0"}


class _Handler(BaseHTTPRequestHandler):
    server: SgpServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one question."""
        address = urlsplit(self.path)
        if not self._is_let_in():
            self._answer(401, {"detail": "Token inválido"})
            return
        try:
            found = self.server.find(address.path, parse_qs(address.query))
        except (psycopg.Error, ValueError):
            self._answer(500, {"detail": "Erro interno"})
        else:
            self._answer(404, {"detail": "Não encontrado"}) if found is None else self._answer(200, found)

    def _is_let_in(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            return not token or bool(jwt.decode(token, DEMO_JWT_SECRET, algorithms=["HS256"]))
        except jwt.InvalidTokenError:
            return False

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value, default=str, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def main() -> int:
    """Serve until ended."""
    dsn = read_secret("PONTE_SGP_DSN", os.environ)
    if dsn is None:
        sys.stderr.write("PONTE_SGP_DSN is not set\nHINT: the dev stack starts this by itself\n")
        return 2
    with SgpServer(int(os.environ[PORT]), dsn.get_secret_value()) as server:
        server.serve_forever(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
