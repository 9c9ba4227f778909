"""An applied road for each test, copied from one that `ponte apply` made: a third of the cost.

The databases are clones of the applied ones, so all rows and everything that `ponte` made are in them. What
is the servers' and not the databases', the subscriptions and their slots, is made again, and copies nothing;
what a database lets everybody do is no part of its clone either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from db.versions import require_newest
from publications.act.endpoints import Endpoints, find_histories
from publications.act.perform import run_step
from publications.act.rights import check_rights
from publications.act.subscriptions import read_subscriptions
from publications.commands.step_words import describe
from publications.ddl.subscriptions import subscriber_to_sql
from publications.decide.changes.publications import CreateSlot
from publications.decide.changes.roles import AlterRole, CreateRole
from publications.decide.changes.subscriptions import CreateSubscription, SettleSubscription
from publications.decide.spec import SlotSpec, SubscriptionSpec
from publications.settings import dsn_variable
from tests.fix_clusters import NAMES, Servers, clone_all
from tests.fix_road import Road, open_road

ROLES = """
SELECT rolname, rolreplication, rolsuper, rolcreatedb, rolcreaterole, rolconnlimit, rolconfig::text
  FROM pg_roles WHERE rolname LIKE 'ponte%'
"""
COPIES, COPIES_NOTHING = "copy_data = true", "copy_data = false"


@dataclass(frozen=True)
class RoadTemplate:
    """The databases of an applied road, as templates, and what its servers had."""

    servers: Servers
    names: dict[str, str]
    """The template of each endpoint."""
    subscriptions: dict[str, SubscriptionSpec]
    """By endpoint."""
    roles: frozenset[tuple[object, ...]]
    """What the roles could do then: they are the servers', and some test may have left them otherwise."""

    @contextmanager
    def open(self, server_root: Path) -> Iterator[Road]:
        """Have a road for the length of a block, with all rows on the VPS."""
        with (
            clone_all(replace(self.servers, templates=self.names)),
            open_road(self.servers, server_root) as road,
        ):
            if not self.roles <= _read_roles(road):
                _mend_roles(road)
            self._join(road)
            road.wait_arrival()
            yield road

    def _join(self, road: Road) -> None:
        """Make the subscriptions again, on the road's own link, and close what a clone opens to all."""
        road.run("vitrine", "REVOKE TEMPORARY ON DATABASE vitrine FROM PUBLIC")
        with road.session() as session:
            for endpoint, one in self.subscriptions.items():
                source = next(hop.source for hop in road.declaration.hops if hop.subscription == one.name)
                run_step(session, CreateSlot(source, SlotSpec(one.slot or one.name)))
                here = replace(one, conninfo=_with_port(one, road.settings.conninfos[one.name]))
                (act,) = subscriber_to_sql(CreateSubscription(endpoint, here))
                assert isinstance(act, sql.Composed)
                made = act.as_string()
                assert COPIES in made
                session.connections[endpoint].execute(made.replace(COPIES, COPIES_NOTHING).encode())
                if here != here.while_copying:
                    run_step(session, SettleSubscription(endpoint, here))


def _read_roles(road: Road) -> frozenset[tuple[object, ...]]:
    return frozenset((name, *role) for name in NAMES for role in road.run(name, ROLES))


def _mend_roles(road: Road) -> None:
    """Have the servers' roles as declared, as `ponte apply` would."""
    with road.session() as session:
        for step in session.read().plan.steps:
            if isinstance(step, CreateRole | AlterRole):
                run_step(session, step)


def _with_port(one: SubscriptionSpec, own: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return its connection string on a road's own link; the declaration added keywords of its own."""
    return frozenset((dict(one.conninfo) | dict(own)).items())


@pytest.fixture(scope="session")
def road_template(servers: Servers, server_root: Path) -> RoadTemplate:
    """One `ponte apply` for the whole run."""
    names = {name: f"{servers.templates[name]}_applied" for name in NAMES}
    with clone_all(servers):
        with open_road(servers, server_root) as road:
            road.apply()
            road.wait_arrival()
            roles = _read_roles(road)
            live = {name: list(read_subscriptions(road._keep(name)).values()) for name in NAMES}
        for name in NAMES:
            with servers.connect(name, "postgres") as conn:
                copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} IS_TEMPLATE true")
                conn.execute(copy.format(sql.Identifier(names[name]), sql.Identifier(name)))
    template = RoadTemplate(servers, names, {name: one for name, some in live.items() for one in some}, roles)
    with template.open(server_root) as road:
        reading = road.read()
        assert [describe(step) for step in reading.plan.steps] == []
        assert [error.fact for error in reading.objections] == []
    return template


class Judge:
    """Asks whether a road is as `ponte apply` leaves it; its session is kept, for a new one costs as much."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._session: Endpoints | None = None

    def find_left(self) -> tuple[list[str], list[str]]:
        """Return what there is to do, and what speaks against doing it."""
        reading = self._open().read()
        return [describe(step) for step in reading.plan.steps], [error.fact for error in reading.objections]

    def _open(self) -> Endpoints:
        if self._session is None or not _stands(self._session, self._road):
            self.close()
            self._session = self._road.session().__enter__()
            for conn in self._session.connections.values():
                conn.prepare_threshold = None  # a test may change a table between two looks
        return self._session

    def close(self) -> None:
        """Let go of the session."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _stands(session: Endpoints, road: Road) -> bool:
    """Tell whether it is still the road's; what a new one would be asked is asked again."""
    if (session.declaration, session.settings) != (road.declaration, road.settings):
        return False
    histories = find_histories(session.declaration)
    try:
        for name, conn in session.connections.items():
            conn.execute("SELECT")
            check_rights(conn, name, dsn_variable(name))
            if name in histories:
                require_newest(conn, histories[name], name)
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def mended_road(road_template: RoadTemplate, server_root: Path) -> Iterator[Road]:
    """One road for a module whose tests each leave it as they found it; no other may stand beside it."""
    with road_template.open(server_root) as road:
        yield road


@pytest.fixture(scope="module")
def judge(mended_road: Road) -> Iterator[Judge]:
    """Who looks at the module's road after each test."""
    one = Judge(mended_road)
    yield one
    one.close()


@pytest.fixture
def kept_road(mended_road: Road, judge: Judge, request: pytest.FixtureRequest) -> Iterator[Road]:
    """The module's road; what a test leaves behind fails that test, unless it is marked to spoil it."""
    settings = mended_road.settings
    yield mended_road
    mended_road.settings = settings
    if request.node.get_closest_marker("spoils"):
        return
    assert judge.find_left() == ([], [])


@pytest.fixture
def road(road_template: RoadTemplate, server_root: Path) -> Iterator[Road]:
    """Everything, with SGP's orders on the VPS."""
    with road_template.open(server_root) as road:
        yield road
