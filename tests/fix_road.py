"""The road: three databases of one's own, joined by what `ponte apply` makes, with a link that breaks."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from db.engines import Connection
from db.waiting import wait_until
from infra.devstack.clusters import HOST
from infra.devstack.link import Link
from infra.devstack.postgres import find_server_user
from publications.act.apply import apply, wait_for_copies
from publications.act.endpoints import Endpoints, Reading
from publications.commands.step_words import describe
from publications.decide.changes.step import Step
from publications.decide.plan import Plan
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration, read_declaration
from publications.settings import PublicationsSettings
from tests.fix_clusters import NAMES, PORTS, Servers
from tests.ports import find_free_port

DEADLINE_S = 60.0
FIND_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
ROLE_PASSWORD = secrets.token_urlsafe(16)
"""One for all roles: they are the clusters', and outlive a test's databases."""


@dataclass
class Road:
    """The databases, the link between window and VPS, and what `ponte` knows of them."""

    servers: Servers
    link: Link
    declaration: Declaration
    settings: PublicationsSettings
    steps: list[Step] = field(default_factory=list)
    _kept: dict[str, Connection] = field(default_factory=dict, repr=False)
    """A session with each endpoint: opening one costs fifty times what a question does."""
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def connect(self, name: str) -> Connection:
        """Open a superuser's session on an endpoint."""
        return self.servers.connect(name)

    def run(self, name: str, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Run one statement on an endpoint and return its rows, if it has any."""
        if statement.startswith("SET "):  # for itself alone
            with self.connect(name) as conn:
                return _fetch(conn, statement, parameters)
        with self._one_at_a_time:
            return _fetch(self._keep(name), statement, parameters)

    def _keep(self, name: str) -> Connection:
        """Return the endpoint's session, another one where its server has ended it."""
        conn = self._kept.get(name)
        try:
            if conn is not None:
                conn.execute("SELECT")
                return conn
        except psycopg.OperationalError:
            self._kept.pop(name).close()
        self._kept[name] = conn = self.connect(name)
        conn.prepare_threshold = None  # a test may change a table between two questions
        return conn

    def forget_sessions(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.popitem()[1].close()

    def session(self, declaration: Declaration | None = None) -> Endpoints:
        """Open `ponte`'s session."""
        return Endpoints(declaration or self.declaration, self.settings)

    def read(self, declaration: Declaration | None = None) -> Reading:
        """Make a plan."""
        with self.session(declaration) as session:
            return session.read()

    def apply(self, declaration: Declaration | None = None, *, allow_drop: bool = False) -> Plan:
        """Apply, and wait until the tables are copied."""
        with self.session(declaration) as session:
            plan = apply(session, allow_drop=allow_drop, report=self.steps.append)
            wait_for_copies(session, timeout_s=DEADLINE_S)
        return plan

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; fail when it does not in time."""
        assert wait_until(condition, DEADLINE_S), f"not in {DEADLINE_S:.0f} s: {what}"

    def wait_arrival(self) -> None:
        """Wait until everything that SGP holds now is on the VPS, by a beat sent after it.

        And until it is to be seen in the window: a server sends a transaction before it shows it to others.
        """
        [[beat]] = self.run(
            "sgp", "UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp() RETURNING beat"
        )
        query = "SELECT 1 FROM vitrine.heartbeat WHERE beat >= %s"
        for name in ("vps", "vitrine"):
            with self.connect(name) as conn:
                self.wait(lambda: conn.execute(query, [beat]).fetchone() is not None, f"the beat on {name}")

    def digest(self, name: str, table: str = "vitrine.pedidos") -> tuple[object, ...]:
        """Count and checksum a window table by the columns that both ends have."""
        query = sql.SQL(
            "SELECT count(*),"
            " sum(hashtextextended((to_jsonb(t) - 'cursor' - 'received_at')::text, 0)::numeric) FROM {} AS t"
        ).format(sql.Identifier(*table.split(".")))
        with self.connect(name) as conn:
            row = conn.execute(query).fetchone()
        assert row is not None
        return row


def _fetch(conn: Connection, statement: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
    cursor = conn.execute(statement, parameters or None)
    return cursor.fetchall() if cursor.description else []


@contextmanager
def without_roles(road: Road, roles: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Have the servers know no such roles, of those given by endpoint and name, for a block.

    Roles are the clusters', and databases that other tests are cloned from hold rights of theirs: so they are
    renamed meanwhile, to what a plan takes for nobody's, and what the block makes in their place is dropped.
    """
    away = [(endpoint, role) for endpoint, role in roles if road.run(endpoint, FIND_ROLE, role)]
    for endpoint, role in away:
        road.run(endpoint, f"ALTER ROLE {role} RENAME TO away_{role}")
    try:
        yield
    finally:
        for endpoint, role in away:
            if road.run(endpoint, FIND_ROLE, role):
                road.run(endpoint, f"DROP OWNED BY {role}")
                road.run(endpoint, f"DROP ROLE {role}")
            road.run(endpoint, f"ALTER ROLE away_{role} RENAME TO {role}")


def plan_lines(road: Road) -> list[str]:
    """Say, a line a step, what is to be done."""
    return [f"{step.endpoint}: {describe(step)}" for step in road.read().plan.steps]


def with_filter(where: str) -> Declaration:
    """Return the declaration with a filter on the orders that the VPS gets."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    mark = 'publication = "pub_vps_pedidos"\n'
    assert mark in text
    return parse_declaration(text.replace(mark, f'{mark}where = """{where}"""\n'), origin="test")


def _passfile(root: Path, name: str, port: int) -> Path:
    path = root / f"{name}.pgpass"
    path.write_text(f"{HOST}:{port}:*:*:{ROLE_PASSWORD}\n")
    path.chmod(0o600)
    if user := find_server_user():
        user.own(path)
    return path


@contextmanager
def open_road(databases: Servers, server_root: Path) -> Iterator[Road]:
    """Have everything but what `ponte apply` makes, over databases that are there."""
    declaration = read_declaration(STARTING_PATH)
    link = Link(target=(HOST, PORTS["vitrine"]), listen_port=find_free_port())
    link.start()
    ports = {"sub_intake": PORTS["sgp"], "sub_vps": link.port, "sub_other": link.port}
    conninfos = {
        name: {
            "host": HOST,
            "port": str(port),
            "dbname": "sgp" if name == "sub_intake" else "vitrine",
            "passfile": str(_passfile(server_root, name, port)),
        }
        for name, port in ports.items()
    }
    roles = [(hop.source, hop.role) for hop in declaration.hops]
    roles += [("vitrine", "ponte_export_other")]
    roles += [(role.on, role.name) for role in declaration.roles]
    settings = PublicationsSettings(
        dsns={name: SecretStr(databases.clusters[name].conninfo(name)) for name in NAMES},
        conninfos=conninfos,
        passwords=dict.fromkeys(roles, SecretStr(ROLE_PASSWORD)),
    )
    road = Road(databases, link, declaration, settings)
    try:
        yield road
    finally:
        _tear_down(road)
        link.stop()


@pytest.fixture
def unapplied_road(databases: Servers, server_root: Path) -> Iterator[Road]:
    """Everything but what `ponte apply` makes."""
    with open_road(databases, server_root) as road:
        yield road


def _tear_down(road: Road) -> None:
    """Subscriptions first, then slots: a database with an active slot can't be dropped."""
    road.forget_sessions()
    for cluster in road.servers.clusters.values():
        cluster.start()
    for name in reversed(NAMES):
        with road.connect(name) as conn:
            for (subscription,) in conn.execute(
                "SELECT subname FROM pg_subscription WHERE subdbid ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchall():
                for template in ("{} DISABLE", "{} SET (slot_name = NONE)"):
                    conn.execute(
                        sql.SQL("ALTER SUBSCRIPTION " + template).format(sql.Identifier(subscription))
                    )
                conn.execute(sql.SQL("DROP SUBSCRIPTION {}").format(sql.Identifier(subscription)))
    for name in NAMES:
        with road.connect(name) as conn:
            road.wait(lambda conn=conn: _drop_slots(conn), f"the slots of {name} let go")  # type: ignore[misc]


def _drop_slots(conn: Connection) -> bool:
    conn.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
        " WHERE active AND database = current_database()"
    )
    conn.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE NOT active AND database = current_database()"
    )
    rows = conn.execute("SELECT 1 FROM pg_replication_slots WHERE database = current_database()").fetchall()
    return not rows
