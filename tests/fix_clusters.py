"""Three real clusters for the whole run, with a template database each.

`pytest-postgresql` makes the templates (its `noproc` fixtures); the dev stack starts the servers, because
PostgreSQL refuses root and needs a folder that its own user can enter.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pytest_postgresql import factories

from db.engines import Connection, connect
from db.migrate import History, migrate
from db.waiting import wait_until
from infra.devstack.bindirs import find_bindirs, find_vitrine_bindir
from infra.devstack.clusters import HOST, Cluster, ClusterSpec
from infra.devstack.errors import PostgresNotFoundError
from infra.devstack.postgres import find_bindir, major_version, runtime_root
from infra.devstack.seed import DIRT, create_schema, seed
from tests.ports import find_free_ports
from tests.stores import open_store

NAMES = ("sgp", "vitrine", "vps")
ORDERS = len(DIRT) + 20
PASSWORD = secrets.token_urlsafe(16)
PARAMETERS = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_retrieve_retry_interval": "100ms",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "autovacuum": "off",
    "max_logical_replication_workers": "16",
    "max_sync_workers_per_subscription": "6",
    "max_worker_processes": "24",
    "max_prepared_transactions": "2",
    "min_wal_size": "32MB",
    "max_wal_size": "96MB",
}
RECOVERY_S = 60.0
"""How long a server may be at what a test has done to it."""
CHEAP_SINCE = {16: {"scram_iterations": "1"}, 18: {"io_method": "sync"}}
"""A login costs its client 2 ms otherwise, and the suite has tens of thousands of them; a start has three
processes more that read what lies in memory, and takes twice the time."""


PORTS: Mapping[str, int] = dict(zip(NAMES, find_free_ports(len(NAMES)), strict=True))


@pytest.fixture(scope="session")
def server_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the servers' user can enter."""
    root = runtime_root(tmp_path_factory.mktemp("clusters"))
    yield root
    shutil.rmtree(root, ignore_errors=True)


def pytest_configure() -> None:
    """Say in one sentence that there is no PostgreSQL, before each test says so."""
    try:
        find_bindir(os.environ)
        find_vitrine_bindir(os.environ)
    except PostgresNotFoundError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def bindirs(server_root: Path) -> dict[str, Path]:
    """Each cluster's programs: those of PONTE_PG_BINDIR, else the wheel's; the vitrine's are ours."""
    return find_bindirs(os.environ, server_root)


@pytest.fixture(scope="session")
def clusters(server_root: Path, bindirs: dict[str, Path]) -> Iterator[dict[str, Cluster]]:
    """The three servers, running."""
    password_file = server_root / "superuser"
    password_file.write_text(PASSWORD)
    made = {}
    with open_store(server_root) as store, ExitStack() as stops:
        for name in NAMES:
            cluster = Cluster(
                ClusterSpec(
                    name=name,
                    data_dir=store / "clusters" / name,
                    port=PORTS[name],
                    bindir=bindirs[name],
                    superuser_password_file=password_file,
                    parameters={**PARAMETERS, **cheap_parameters(bindirs[name])},
                )
            )
            cluster.start()
            stops.callback(cluster.stop, "immediate")
            set_password_anew(cluster, PASSWORD)
            made[name] = cluster
        yield made


def cheap_parameters(bindir: Path) -> Mapping[str, str]:
    """Return the settings by which a server of that version is quick to start and to log in to."""
    chosen = (some for since, some in CHEAP_SINCE.items() if major_version(bindir) >= since)
    return {name: value for some in chosen for name, value in some.items()}


def set_password_anew(cluster: Cluster, password: str) -> None:
    """Have the superuser's password kept as the server keeps new ones: initdb made it slow to prove."""
    with connect(cluster.conninfo()) as conn:
        conn.execute(sql.SQL("ALTER ROLE postgres PASSWORD {}").format(password))


def _conninfo(host: str, port: int, user: str, dbname: str, password: str) -> str:
    return make_conninfo("", host=host, port=port, user=user, dbname=dbname, password=password)


MEDIA: dict[str, Path] = {}
"""Where the seed's photos lie, once it has run."""


def _load_sgp(host: str, port: int, user: str, dbname: str, password: str, **_: object) -> None:
    with connect(_conninfo(host, port, user, dbname, password)) as conn:
        create_schema(conn)
        seed(conn, MEDIA["root"], orders=ORDERS, photos=4)


def _load_vitrine(host: str, port: int, user: str, dbname: str, password: str, **_: object) -> None:
    migrate(History.INTRANET, _conninfo(host, port, user, dbname, password))


def _load_vps(host: str, port: int, user: str, dbname: str, password: str, **_: object) -> None:
    migrate(History.VPS, _conninfo(host, port, user, dbname, password))


_LOADERS = {"sgp": _load_sgp, "vitrine": _load_vitrine, "vps": _load_vps}

sgp_template, vitrine_template, vps_template = (
    factories.postgresql_noproc(
        host=HOST, port=PORTS[name], user="postgres", password=PASSWORD, dbname=name, load=[_LOADERS[name]]
    )
    for name in NAMES
)


@dataclass(frozen=True)
class Servers:
    """The running clusters and how to clone their templates."""

    clusters: dict[str, Cluster]
    templates: dict[str, str]
    """The template database of each endpoint; where tests run in several processes each has its own name."""
    _kept: dict[str, Connection] = field(default_factory=dict, repr=False)
    """A session with each server that makes and drops databases: a test has six such statements."""

    def connect(self, name: str, dbname: str | None = None) -> Connection:
        """Open a superuser's session in the endpoint's database, or another one of its cluster."""
        return connect(self.clusters[name].conninfo(dbname or name))

    @contextmanager
    def clone(self, name: str, dbname: str | None = None) -> Iterator[None]:
        """Have the endpoint's database, or one of another name, made from its template, for a block."""
        made = dbname or name
        # To copy files costs half of what PostgreSQL's own choice does: to log each page.
        self._order(name, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", made, self.templates[name])
        try:
            yield
        finally:
            self._order(name, "DROP DATABASE IF EXISTS {} WITH (FORCE)", made)

    def forget_sessions(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _order(self, name: str, statement: LiteralString, *names: str) -> None:
        composed = sql.SQL(statement).format(*map(sql.Identifier, names))
        if not self._is_kept(name):
            assert wait_until(lambda: self._open(name), RECOVERY_S), f"{name} lets nobody in"
        self._kept[name].execute(composed)

    def _is_kept(self, name: str) -> bool:
        """Tell whether the session is still there: a test may have restarted its server."""
        try:
            return name in self._kept and bool(self._kept[name].execute("SELECT 1"))
        except psycopg.OperationalError:
            self._kept.pop(name).close()
            return False

    def _open(self, name: str) -> bool:
        with suppress(psycopg.OperationalError):
            self._kept[name] = self.connect(name, "postgres")
        return name in self._kept


@pytest.fixture(scope="session")
def servers(
    clusters: dict[str, Cluster], request: pytest.FixtureRequest, server_root: Path
) -> Iterator[Servers]:
    """The clusters, with SGP seeded and both windows migrated in their templates."""
    MEDIA["root"] = server_root / "media"
    made = {name: request.getfixturevalue(f"{name}_template").template_dbname for name in NAMES}
    servers = Servers(clusters, made)
    yield servers
    servers.forget_sessions()


@contextmanager
def clone_all(servers: Servers) -> Iterator[None]:
    """Have a clone of each of the three databases for the length of a block."""
    with ExitStack() as clones:
        for name in NAMES:
            clones.enter_context(servers.clone(name))
        yield


@pytest.fixture
def databases(servers: Servers) -> Iterator[Servers]:
    """A clone of each of the three databases, without replication between them."""
    with clone_all(servers):
        yield servers
