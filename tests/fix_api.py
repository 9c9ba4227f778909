"""A VPS of its own for the API's tests and benchmarks: a real cluster, a filled window, the API."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from db import lifetime
from db.engines import Connection, connect
from db.migrate import History, migrate
from db.waiting import wait_until
from infra.devstack.clusters import Cluster, ClusterSpec
from infra.devstack.postgres import find_bindir, find_server_user, reachable_bindir, runtime_root
from tests.ports import find_free_port
from tests.stores import open_store
from vps_readapi.auth.tokens import Claims, TokenKeys, Tokens

QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TOKEN_KEY = "t" * 40
TOKEN_KEYS = TokenKeys("t1", {"t1": TOKEN_KEY.encode()})
SGP_KEY = "g" * 40
CREDENTIAL_KEY = "c" * 40
ROLE = "ponte_api"
EASY = "x"
"""What the roles log in with."""
AUTH_ROLE = "ponte_auth"
TABLES = ("pedidos", "imagens", "miniaturas", "usuarios")
ITEM: dict[str, Any] = {
    "id": 7000,
    "indice": 0,
    "descricao": "Painel",
    "especificacoes": "3,00 x 2,00 m\nLona 440 g\nIlhós nos quatro cantos",
    "observacoes": "cuidado com a cor",
    "tecido": "Lona",
    "vendedor": "Ana",
    "tipo_producao": "painel",
}


@contextmanager
def run_cluster(
    parameters: Mapping[str, str] | None = None, *, bindir: Path | None = None
) -> Iterator[Cluster]:
    """Run a cluster for the length of a block; if no binaries are given, PONTE_PG_BINDIR chooses them."""
    with tempfile.TemporaryDirectory() as repository:
        root = runtime_root(Path(repository))
        found = bindir or reachable_bindir(find_bindir(os.environ), root, find_server_user())
        with open_store(root) as store:
            spec = ClusterSpec(
                "vps",
                store / "vps" / "data",
                find_free_port(),
                found,
                root / "password",
                {**QUICK, **(parameters or {})},
            )
            cluster = Cluster(spec)
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.stop("immediate")
                shutil.rmtree(root)


def make_window(cluster: Cluster, name: str, *, pedidos: int) -> str:
    """Make a database with the window and some orders in it; return its superuser's connection string."""
    with connect(cluster.conninfo()) as conn:
        conn.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    dsn = cluster.conninfo(name)
    migrate(History.VPS, dsn)
    with connect(dsn) as conn:
        _make_role(conn)
        if pedidos:
            fill(conn, pedidos)
    return dsn


TEMPLATE = "window"


class Windows:
    """A server of the VPS's, and windows on it that are cloned from one."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._numbers = itertools.count(1)
        make_window(cluster, TEMPLATE, pedidos=0)

    @contextmanager
    def open(self, *, pedidos: int) -> Iterator[str]:
        """Have a window with so many orders, a life of its own; gives its superuser's connection string."""
        name = f"{TEMPLATE}_{next(self._numbers)}"
        self._order("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
        dsn = self.cluster.conninfo(name)
        with connect(dsn) as conn:
            conn.execute("UPDATE guard.epoca SET epoca = gen_random_uuid()")
            fill(conn, pedidos)
        try:
            yield dsn
        finally:
            self._order("DROP DATABASE {} WITH (FORCE)", name)

    def _order(self, statement: str, *names: str) -> None:
        self.cluster.start()  # a test may have stopped it
        with connect(self.cluster.conninfo()) as conn:
            conn.execute(psycopg.sql.SQL(statement).format(*map(psycopg.sql.Identifier, names)))


def _make_role(conn: Connection) -> None:
    for name in (ROLE, AUTH_ROLE):
        if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
            made = psycopg.sql.Identifier(name)
            conn.execute(psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(made))
    role = psycopg.sql.Identifier(ROLE)
    conn.execute(psycopg.sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    conn.execute(psycopg.sql.SQL("ALTER ROLE {} SET random_page_cost = 1.1").format(role))
    conn.execute(psycopg.sql.SQL("GRANT USAGE ON SCHEMA vitrine, guard TO {}").format(role))
    conn.execute(psycopg.sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA vitrine, guard TO {}").format(role))
    conn.execute("GRANT USAGE ON SCHEMA auth TO ponte_api, ponte_auth")
    conn.execute("GRANT SELECT ON auth.revoked TO ponte_api")
    conn.execute(
        "GRANT EXECUTE ON FUNCTION auth.take, auth.settle, auth.tell_offline_bound, auth.tell_key_marks,"
        " auth.revoke(bytea, timestamptz) TO ponte_auth"
    )


def fill(conn: Connection, pedidos: int) -> None:
    """Write orders with a photo each, two users and a beat, without the triggers' log of a million rows."""
    with conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        for name in ("pedidos", "imagens", "miniaturas"):
            table = psycopg.sql.Identifier("vitrine", name)
            conn.execute(psycopg.sql.SQL("ALTER TABLE {} DISABLE TRIGGER ALL").format(table))
        items = json.dumps([ITEM | {"indice": place, "id": 7000 + place} for place in range(3)])
        conn.execute(
            "INSERT INTO vitrine.pedidos (id, numero, cliente, status, data_entrada, data_entrega,"
            "  cidade_cliente, estado_cliente, valor_total, valor_frete, valor_itens, observacao, items,"
            "  data_criacao, ultima_atualizacao, versao, cursor)"
            " SELECT n, lpad(n::text, 10, '0'), 'Agência Ção ' || n %% 997,"
            "  (array['pendente','em_producao','pronto','entregue','cancelado'])[1 + n %% 5],"
            "  '2026-01-01'::date + n %% 300, '2026-02-01'::date + n %% 300, 'Vila Velha', 'ES',"
            "  403.5, 0, 403.5, '0', %s::jsonb, '2026-01-01'::timestamptz + n * interval '1 minute',"
            "  '2026-01-01', 1, n FROM generate_series(1, %s) n",
            [items, pedidos],
        )
        conn.execute(
            "INSERT INTO vitrine.imagens (id, pedido_id, item_index, versao)"
            " SELECT n, n, 0, 1 FROM generate_series(1, %s) n",
            [pedidos],
        )
        conn.execute(
            "INSERT INTO vitrine.miniaturas (imagem_id, estado, chave, versao)"
            " SELECT n, 'pronta', n || '.webp', 1 FROM generate_series(1, %s) n",
            [pedidos],
        )
        conn.execute(
            "INSERT INTO vitrine.usuarios (id, username, is_active, versao)"
            " VALUES (1, 'admin', true, 1), (2, 'ana', true, 1), (3, 'ido', false, 1)"
        )
        conn.execute("SELECT setval('vitrine.cursor_seq', %s)", [pedidos + 1])
        for name in ("pedidos", "imagens", "miniaturas"):
            _enable_triggers(conn, name)
    beat(conn)
    conn.execute("ANALYZE")


def _enable_triggers(conn: Connection, name: str) -> None:
    table = psycopg.sql.Identifier("vitrine", name)
    for trigger in ("guard", "announce", "record", "record_truncate"):
        statement = psycopg.sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}")
        conn.execute(statement.format(table, psycopg.sql.Identifier(trigger)))
    statement = psycopg.sql.SQL("ALTER TABLE {} ENABLE TRIGGER refuse_local_write")
    conn.execute(statement.format(table))


def write_session(dsn: str) -> Connection:
    """Return a session that writes to the window as replication does."""
    conn = connect(dsn)
    conn.execute("SET session_replication_role = replica")
    return conn


def beat(conn: Connection, *, age: timedelta = timedelta(0)) -> None:
    """Let a heartbeat arrive that left SGP some time ago."""
    with conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(
            "INSERT INTO vitrine.heartbeat (id, beat, beat_at, landed_at, versao)"
            " VALUES (1, 1, now() - %(age)s, now(), 1) ON CONFLICT (id) DO NOTHING",
            {"age": age},
        )
        conn.execute(
            "UPDATE vitrine.heartbeat SET beat = beat + 1, beat_at = now() - %(age)s, versao = versao + 1",
            {"age": age},
        )


def make_token(user_id: int = 1, *, lifetime: timedelta = timedelta(days=1)) -> str:
    """Return a session token of the API's."""
    return Tokens(TOKEN_KEYS, lifetime).issue(Claims(user_id, "admin"))


@dataclass
class RunningApi:
    """The API's processes, on one port."""

    port: int
    process: lifetime.Child
    log_file: Path

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> Client:
        """Return a connection of its own."""
        return Client(self.port)


@dataclass(frozen=True)
class Answer:
    """One answer, its fields' names in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.content)


class Client:
    """One keep-alive connection with a good session."""

    def __init__(self, port: int, *, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = token or make_token()

    def get(self, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        """Ask; a header `x_y` is sent as `x-y`."""
        fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body=body, headers=fields)
        answer = self._connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())

    def log_in(self, username: str, password: str, *, host: str = "192.0.2.1") -> Answer:
        """Ask for a session, as somebody behind the proxy at some address."""
        body = json.dumps({"username": username, "password": password})
        return self.get("/auth/login", method="POST", body=body, X_Forwarded_For=host)

    def log_out(self) -> Answer:
        """End the session."""
        return self.get("/auth/logout", method="POST")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def api_environment(dsn: str, port: int, *, password: str = EASY, **settings: str) -> dict[str, str]:
    """Return the variables of an API on a database; `settings` are further ones, `PONTE_API_*` if bare."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
    ours = {
        "DSN": make_conninfo(dsn, user=ROLE, password=password),
        "AUTH_DSN": make_conninfo(dsn, user=AUTH_ROLE, password=password),
        "PORT": str(port),
        "TOKEN_KEY": TOKEN_KEY,
        "MEDIA_KEY": "m" * 40,
        "MEDIA_DIR": tempfile.gettempdir(),
        "PUBLIC_URL": "http://127.0.0.1",
        "RATE_PER_S": "100000",
        "RATE_BURST": "100000",
        "MAX_USER_STREAMS": "1000",
        "PROXIES": "127.0.0.1",
    }
    given = {"PONTE_CREDENTIAL_KEY": CREDENTIAL_KEY} | ours | settings
    names = {key: key if key.startswith("PONTE_") else f"PONTE_API_{key.upper()}" for key in given}
    return inherited | {names[key]: value for key, value in given.items()}


@contextmanager
def run_api(dsn: str, *, python: str = sys.executable, **settings: str) -> Iterator[RunningApi]:
    """Run the API for the length of a block, as its users do; `python` says which installed one."""
    port = find_free_port()
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = lifetime.start(
            [python, "-m", "vps_readapi"],
            cwd=None if python == sys.executable else Path(python).parent,
            env=api_environment(dsn, port, **settings),
            stdout=log,
            stderr=log,
        )
        api = RunningApi(port, process, Path(log.name))
        try:
            if (
                not wait_until(lambda: _is_ready(api) or process.poll() is not None, 60)
                or process.poll() is not None
            ):
                raise RuntimeError(f"the API does not start: {api.log_file.read_text()[-2000:]}")
            yield api
        finally:
            process.terminate()
            process.wait(60)


def _is_ready(api: RunningApi) -> bool:
    client = api.connect()
    try:
        return client.get("/saude/pronta").status == 200
    except OSError:
        return False
    finally:
        client.close()


def read_events(port: int, *, path: str = "/eventos", **headers: str) -> Iterator[dict[str, str]]:
    """Yield the events of a stream as their fields; it ends with the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    fields = {"Authorization": f"Bearer {make_token()}"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read()!r}")
    event: dict[str, str] = {}
    try:
        for line in answer:
            name, colon, value = line.decode().rstrip("\n").partition(": ")
            if colon:
                event[name] = value
            else:
                if "event" in event:
                    yield event
                event = {}
    finally:
        connection.close()


def touch(conn: Connection, *pedido_ids: int) -> None:
    """Change a few orders, as replication does."""
    conn.execute(
        "UPDATE vitrine.pedidos SET observacao = observacao || '.', versao = versao + 1 WHERE id = ANY(%s)",
        [list(pedido_ids)],
    )


def quote(text: str) -> str:
    """Return a text as it stands in an address."""
    return urllib.parse.quote(text, safe="")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def now_ms() -> float:
    """Return a reading of a steady clock, in milliseconds."""
    return time.perf_counter() * 1000
