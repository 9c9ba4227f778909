"""A road whose SGP is a SQLite file: its writer and the feeder are processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from db import lifetime
from infra.devstack.seed import USERS
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from tests.fix_clusters import Servers, clone_all
from tests.fix_road import ROLE_PASSWORD, Road, open_road

ORDERS = 40
ROOT = Path(__file__).parents[1]


class SgpProcess:
    """SGP's process, told what to write."""

    def __init__(self, path: Path, mode: str = "wal") -> None:
        self.path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sgp_writer", str(path), mode],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._hear()

    def run(self, statement: str, *rows: list[Any]) -> list[Any]:
        """Run a statement in one transaction, once or for each row of parameters; return text."""
        found: list[Any] = self.ask("run", statement, *rows)
        return found

    def ask(self, *command: Any) -> Any:
        """Give a command and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "SGP's process has failed"
        return json.loads(line)

    def stop(self) -> None:
        """End as a service does: the connection is closed."""
        assert self._process.stdin is not None
        self._process.stdin.write('["end"]\n')
        self._process.stdin.flush()
        self._process.wait(20)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        with self._process:  # its pipes close
            self._process.kill()


def fill(sgp: SgpProcess, orders: int, *, items: str = '[{"descricao": "Painel"}]') -> None:
    """Write so many orders, three users and an image."""
    sgp.run(
        "INSERT INTO pedidos (id, numero, data_entrada, prioridade, status, cliente, valor_total,"
        " forma_envio_id, financeiro, conferencia, sublimacao, costura, expedicao, pronto, items,"
        " data_criacao)"
        " VALUES (?, ?, '2026-01-11', 'NORMAL', 'pendente', ?, '20,00', 1, 1, 0, 0, 0, 0, 0, ?,"
        " '2026-01-11 10:00:00.000000')",
        *([key, f"{key:010d}", f"Cliente {key}", items] for key in range(1, orders + 1)),
    )
    sgp.run(
        "INSERT INTO user (id, username, password_hash, password_plain, is_admin, is_active)"
        " VALUES (?, ?, ?, 'segredo', 0, 1)",
        *([number, user.username, f"hash {number}"] for number, user in enumerate(USERS[:3], start=1)),
    )
    sgp.run(
        "INSERT INTO pedido_imagens VALUES (1, 1, 0, NULL, 'a.png', 'image/png', 'pedidos\\1\\a.png', 10,"
        " '2026-01-11 10:00:00')"
    )


@dataclass
class FedRoad:
    """The road, SGP's file, and the feeder's process."""

    road: Road
    path: Path
    folder: Path
    declaration_file: Path
    beat_seconds: float = 0.5
    feeders: list[lifetime.Child] = field(default_factory=list)

    def environment(self) -> Mapping[str, str]:
        """Return what the feeder's service is given."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PONTE_")}
        role = self.road.declaration.intake.role
        conninfo = self.road.servers.clusters["vitrine"].conninfo("vitrine")
        return inherited | {
            "PONTE_DECLARATION": str(self.declaration_file),
            "PONTE_SGP_FILE": str(self.path),
            "PONTE_FEEDER_BEAT_SECONDS": str(self.beat_seconds),
            "PONTE_FEEDER_VITRINE_DSN": make_conninfo(conninfo, user=role, password=ROLE_PASSWORD),
        }

    def start(self, *arguments: str) -> lifetime.Child:
        """Start a feeder."""
        log = (self.folder / "feeder.log").open("ab")
        with log:
            child = lifetime.start(
                [sys.executable, "-m", "publications.feeder", *arguments],
                env=self.environment(), stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
        self.feeders.append(child)
        return child

    def feed_once(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Land the file one time."""
        return subprocess.run(
            [sys.executable, "-m", "publications.feeder", "--once", *arguments],
            env=self.environment(), capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        )  # fmt: skip

    def stop_feeders(self) -> None:
        """Kill what runs."""
        while self.feeders:
            child = self.feeders.pop()
            child.kill()
            child.wait(20)

    def events(self) -> list[dict[str, Any]]:
        """Return what the feeders have logged."""
        lines = (self.folder / "feeder.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def ask(self, query: str, *parameters: object) -> Any:
        """Return the only value of a query on the vitrine."""
        [[found]] = self.road.run("vitrine", query, *parameters)
        return found

    def wait_for(self, query: str, value: object, *, at: str = "vitrine") -> None:
        """Wait until a query's only value is this."""
        self.road.wait(lambda: self.road.run(at, query) == [(value,)], f"{query} is {value}")

    def wait_beat(self) -> None:
        """Wait until what SGP has committed until now has landed."""
        beat = self.ask("SELECT coalesce(max(beat), 0) FROM vitrine.heartbeat")
        query = "SELECT count(*) FROM vitrine.heartbeat WHERE beat > %s"
        self.road.wait(lambda: self.ask(query, beat + 1) == 1, "two beats")


def declare_fed() -> Declaration:
    """Return the starting declaration with SGP as a file."""
    return parse_declaration(fed_text(), origin="test")


def fed_text() -> str:
    """Return its text: one line makes the difference."""
    return STARTING_PATH.read_text(encoding="utf-8").replace('kind = "postgresql"', 'kind = "sqlite"')


@contextmanager
def open_fed(servers: Servers, server_root: Path, folder: Path) -> Iterator[FedRoad]:
    """Have everything but what `ponte apply` makes, and an empty place for SGP's file."""
    with open_road(servers, server_root) as road:
        path = folder / "sgp.db"
        road.declaration = declare_fed()
        dsns = {name: dsn for name, dsn in road.settings.dsns.items() if name != "sgp"}
        passwords = {key: value for key, value in road.settings.passwords.items() if key[0] != "sgp"}
        (a_password,) = set(passwords.values())
        passwords |= dict.fromkeys(road.declaration.carriers, a_password)
        road.settings = replace(road.settings, dsns=dsns, passwords=passwords, sgp_file=path)
        file = folder / "sgp.toml"
        file.write_text(fed_text(), encoding="utf-8")
        fed = FedRoad(road, path, folder, file)
        try:
            yield fed
        finally:
            fed.stop_feeders()
            _drop_role(road)


def _drop_role(road: Road) -> None:
    """Take the feeder's role away: it is the server's, and no other test declares it there."""
    road.servers.clusters["vitrine"].start()
    with road.connect("vitrine") as conn:
        if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = 'ponte_intake'").fetchone():
            conn.execute("DROP OWNED BY ponte_intake")
            conn.execute("DROP ROLE ponte_intake")


@pytest.fixture(scope="module")
def fed_road(
    servers: Servers, server_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FedRoad]:
    """One for a module."""
    with clone_all(servers), open_fed(servers, server_root, tmp_path_factory.mktemp("fed")) as fed:
        yield fed


@pytest.fixture(params=["wal", "delete"])
def sgp_file(fed_road: FedRoad, request: pytest.FixtureRequest) -> Iterator[SgpProcess]:
    """SGP's process on a new file of either mode, filled and fed once; the road is applied."""
    yield from new_file(fed_road, request.param)


@pytest.fixture
def wal_file(fed_road: FedRoad) -> Iterator[SgpProcess]:
    """The same, with a write-ahead log."""
    yield from new_file(fed_road, "wal")


def new_file(fed: FedRoad, mode: str) -> Iterator[SgpProcess]:
    """Make a file in place of whatever was there."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{fed.path}{suffix}").unlink(missing_ok=True)
    sgp = SgpProcess(fed.path, mode)
    fill(sgp, ORDERS)
    if fed.road.read().plan.steps:
        fed.road.apply()
    done = fed.feed_once("--accept")
    assert done.returncode == 0, done.stderr
    try:
        yield sgp
    finally:
        fed.stop_feeders()
        sgp.kill()
