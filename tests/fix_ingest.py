"""A VPS's window that takes the push, the role that gives it, and the ingest before it."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, cast

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from db import lifetime
from db.engines import Connection, connect
from db.sync import CHANGES_PATH, POSITION_PATH, TABLE_PATH, Batch, Delete, SgpPedido, Truncate, Upsert
from db.waiting import wait_until
from db.webhooks import PREFIX, read_webhook_secret, sign_webhook
from publications.declare.declaration import STARTING_PATH, Role, read_declaration
from tests.fix_clusters import Servers
from tests.ports import find_free_port
from vps_readapi.ingest.folding import fold_batch, fold_list

NAME = "pushed"
"""The database's, and the role's."""
SOURCE = "7400000000000000001/1"
API_KEY, SGP_API_KEY = "a" * 40, "g" * 40
SECRET = PREFIX + base64.b64encode(b"s" * 32).decode()
PREVIOUS_SECRET = PREFIX + base64.b64encode(b"p" * 32).decode()
_numbers = itertools.count(1)


def make_nonce() -> str:
    return f"msg_{os.getpid()}_{next(_numbers)}"


def lsn(number: int) -> str:
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def upsert(key: int, versao: int, **columns: str | None) -> Upsert:
    return Upsert(table="pedidos", row={"id": str(key), "versao": str(versao), **columns})


def delete(key: int) -> Delete:
    return Delete(table="pedidos", key=str(key))


@dataclass
class PushedWindow:
    """The window as the push's role has it, and as a superuser has."""

    dsn: str
    role_dsn: str
    at: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def connect(self) -> Connection:
        """Open a superuser's session that writes as replication does."""
        conn = connect(self.dsn)
        conn.execute("SET session_replication_role = replica")
        return conn

    @contextmanager
    def session(self) -> Iterator[Pusher]:
        """Open a session of the role's."""
        with connect(self.role_dsn) as conn:
            yield Pusher(conn, self)

    def empty(self) -> None:
        """Have a window in which nothing ever was."""
        with self.connect() as conn:
            conn.execute(
                "DELETE FROM vitrine.pedidos; DELETE FROM vitrine.imagens; DELETE FROM vitrine.heartbeat;"
                " DELETE FROM guard.tombstones; DELETE FROM push.positions; DELETE FROM push.parts;"
                " DELETE FROM push.nonces; DELETE FROM push.ahead"
            )


@dataclass
class Pusher:
    """Gives bodies to the functions, as the ingest does."""

    conn: Connection
    window: PushedWindow

    def take(
        self, *changes: Upsert | Delete | Truncate, nonce: str | None = None, **said: Any
    ) -> tuple[str, dict[str, dict[str, int]]]:
        """Push a batch; it is the next one unless `said` says otherwise."""
        given = {"source": SOURCE, "position": lsn(next(self.window.at)), **said}
        return self.give(fold_batch(Batch(changes=changes, **given))[0], nonce=nonce)

    def take_list(
        self, *rows: SgpPedido | Mapping[str, Any], table: str = "pedidos"
    ) -> tuple[str, dict[str, dict[str, int]]]:
        """Push a list of rows."""
        return self.give(fold_list(table, rows)[0])

    def give(
        self, body: dict[str, Any], *, nonce: str | None = None
    ) -> tuple[str, dict[str, dict[str, int]]]:
        """Push what a body came to."""
        digest = json.dumps(body, sort_keys=True).encode()
        query = "SELECT became, counted FROM push.take(%s, %s, %s)"
        row = self.conn.execute(query, [nonce or make_nonce(), digest, Jsonb(body)]).fetchone()
        assert row is not None
        return row[0], row[1]


def read_orders(conn: Connection, columns: str = "id, versao, cliente, status") -> list[tuple[Any, ...]]:
    query = sql.SQL("SELECT {} FROM vitrine.pedidos ORDER BY id").format(sql.SQL(columns))
    return conn.execute(query).fetchall()


@pytest.fixture(scope="module")
def pushed_window(servers: Servers) -> Iterator[PushedWindow]:
    """A window of the module's own, with the push's role as the declaration has it."""
    dsn = servers.clusters["vps"].conninfo(NAME)
    with servers.clone("vps", NAME), servers.connect("vps", NAME) as conn:
        role = sql.Identifier(NAME)
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        try:
            conn.execute(sql.SQL("GRANT USAGE ON SCHEMA push TO {}").format(role))
            declared = _read_role()
            for grant in declared.grants:
                function = sql.SQL(cast("LiteralString", grant.function))
                conn.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, role))
            for name, value in declared.settings.items():
                conn.execute(sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), value))
            yield PushedWindow(dsn, make_conninfo(dsn, user=NAME, password="x"))
        finally:
            conn.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def _read_role() -> Role:
    [role] = [one for one in read_declaration(STARTING_PATH).roles if one.name == "ponte_push"]
    return role


@dataclass(frozen=True)
class PushAnswer:
    """What the ingest answered."""

    status: int
    body: Any

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return how many orders were written, dropped and deleted."""
        found = self.body["applied"]["pedidos"]
        return found["written"], found["dropped"], found["deleted"]


@dataclass(frozen=True)
class RunningIngest:
    """An ingest in a process of its own."""

    port: int
    metrics_port: int
    log: Path

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        fields: Mapping[str, str] | None = None,
        *,
        source: str = "127.0.0.1",
    ) -> PushAnswer:
        """Send a request as it stands, from one of this machine's own addresses."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=60, source_address=(source, 0)
        )
        try:
            connection.request(method, path, body or None, dict(fields or {}))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        is_json = (answer.getheader("content-type") or "").startswith("application/json")
        return PushAnswer(answer.status, json.loads(content) if is_json else content)

    def sign(self, body: bytes, *, nonce: str | None = None, secret: str = SECRET) -> dict[str, str]:
        """Return the fields of a good request."""
        key = read_webhook_secret(SecretStr(secret))
        return {"x-api-key": API_KEY, **sign_webhook(key, nonce or make_nonce(), body)}

    def push(self, batch: Batch, **signing: Any) -> PushAnswer:
        """Push a batch, signed."""
        body = batch.to_json()
        return self.request("POST", CHANGES_PATH, body, self.sign(body, **signing))

    def push_list(self, rows: Sequence[Any], *, table: str = "pedidos") -> PushAnswer:
        """Push a list, signed."""
        body = json.dumps(rows).encode()
        return self.request("POST", TABLE_PATH + table, body, self.sign(body))

    def ask_position(self) -> PushAnswer:
        """Ask how far it has come."""
        return self.request("GET", POSITION_PATH, fields=self.sign(b""))

    def read_metrics(self) -> str:
        """Return what Prometheus is told."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=60)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()


@contextmanager
def run_ingest(dsn: str, folder: Path, **settings: str) -> Iterator[RunningIngest]:
    """Run an ingest that takes the push, for the length of a block; `settings` are whole variables."""
    port, metrics_port = find_free_port(), find_free_port()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
    ours = {
        "PONTE_INGEST_DSN": dsn,
        "PONTE_INGEST_PORT": str(port),
        "PONTE_INGEST_METRICS_PORT": str(metrics_port),
        "PONTE_PUSH_API_KEY": API_KEY,
        "PONTE_PUSH_SECRET": SECRET,
    }
    log = folder / f"ingest_{port}.log"
    with log.open("w") as file:
        process = lifetime.start(
            [sys.executable, "-m", "vps_readapi.ingest"],
            env=inherited | ours | settings,
            stdout=file,
            stderr=file,
        )
        running = RunningIngest(port, metrics_port, log)
        try:
            if not wait_until(lambda: _answers(running) or process.poll() is not None, 60):
                raise RuntimeError("the ingest does not answer")
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            yield running
        finally:
            process.terminate()
            process.wait(60)


def _answers(running: RunningIngest) -> bool:
    try:
        return running.request("GET", "/").status == 404
    except OSError:
        return False


@pytest.fixture(scope="module")
def running_ingest(
    pushed_window: PushedWindow, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningIngest]:
    """An ingest on the module's window that takes today's SGP from this machine."""
    settings = {
        "PONTE_PREVIOUS_PUSH_SECRET": PREVIOUS_SECRET,
        "PONTE_INGEST_SGP_API_KEY": SGP_API_KEY,
        "PONTE_INGEST_SGP_ADDRESSES": "127.0.0.1 192.0.2.0/24",
    }
    with run_ingest(pushed_window.role_dsn, tmp_path_factory.mktemp("ingest"), **settings) as running:
        yield running
