"""Each end's window alone, without replication: what its triggers do with rows that a test writes itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.engines import Connection
from publications.act.catalog import read_source
from publications.commands.plan_text import statements
from publications.decide.changes.tables import CreateTable
from publications.decide.wanted import derive_wanted
from publications.declare.declaration import STARTING_PATH, read_declaration
from tests.fix_clusters import Servers

ALONE = "alone"
"""The name of a module's own database, beside the road's."""


@pytest.fixture(scope="module")
def landing_database(servers: Servers) -> Iterator[str]:
    """The vitrine with the landing tables that `ponte apply` makes for this SGP; gives its name."""
    declaration = read_declaration(STARTING_PATH)
    names = [table.name for table in declaration.intake.tables]
    with servers.connect("sgp", servers.templates["sgp"]) as sgp:
        source = read_source(sgp, names)
    wanted = derive_wanted(declaration, source=source, conninfos={}, filters={})
    with servers.clone("vitrine", ALONE):
        with servers.connect("vitrine", ALONE) as conn:
            for table in wanted["vitrine"].tables.values():
                for statement in statements(CreateTable("vitrine", table)):
                    conn.execute(statement.encode())
        yield ALONE


@pytest.fixture
def landing(servers: Servers, landing_database: str) -> Iterator[Connection]:
    """A session there, in a transaction that is taken back."""
    with servers.connect("vitrine", landing_database) as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL statement_timeout = '20s'")
        conn.execute("SET CONSTRAINTS ALL IMMEDIATE")  # each statement is projected at its end
        yield conn


@pytest.fixture(scope="module")
def arrival_database(servers: Servers) -> Iterator[str]:
    """The VPS's window behind its guard; gives its name."""
    with servers.clone("vps", ALONE):
        yield ALONE


@pytest.fixture
def arrival(servers: Servers, arrival_database: str) -> Iterator[Connection]:
    """A session there that writes as replication does; the tables are emptied afterwards."""
    with servers.connect("vps", arrival_database) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("SET statement_timeout = '20s'")
        yield conn
        conn.execute("DELETE FROM vitrine.pedidos")
        conn.execute("DELETE FROM vitrine.heartbeat")
