"""The two Alembic histories: what they make is what the models say, there and back again."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from db import migrate as migrating
from db.alchemy import engine
from db.engines import connect
from db.migrate import History, emit_sql, migrate, read_revision
from infra.devstack.clusters import HOST, Cluster
from tests.fix_clusters import PASSWORD, PORTS

EMPTY = "empty"
CLUSTERS = {History.INTRANET: "vitrine", History.VPS: "vps"}
SCHEMAS = ("vitrine", "projection", "guard", "auth", "watch", "worker")
TABLES_0001 = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas", "heartbeat")
OBJECTS = """
SELECT 'relation', n.nspname || '.' || c.relname, c.relkind::text FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY(%(schemas)s) AND c.relname <> 'alembic_version'
   AND c.relname <> 'alembic_version_pkc'
UNION ALL
SELECT 'function', p.oid::regprocedure::text, md5(p.prosrc) FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY(%(schemas)s)
UNION ALL
SELECT 'trigger', t.tgrelid::regclass || ' ' || t.tgname, t.tgenabled::text FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace = 'vitrine'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace::regnamespace::text = ANY(%(schemas)s)
   AND conname <> 'alembic_version_pkc'
 ORDER BY 1, 2
"""


@pytest.fixture(params=list(History), ids=str)
def history(request: pytest.FixtureRequest) -> History:
    return History(request.param)


@pytest.fixture
def conninfo(clusters: dict[str, Cluster], history: History) -> Iterator[str]:
    """An empty database on the history's own cluster."""
    name = CLUSTERS[history]
    with DatabaseJanitor(user="postgres", password=PASSWORD, host=HOST, port=PORTS[name], dbname=EMPTY):
        yield clusters[name].conninfo(EMPTY)


def downgrade(history: History, conninfo: str) -> None:
    with engine(conninfo).begin() as connection:
        command.downgrade(migrating._config(history, connection), "base")


def read_objects(conninfo: str) -> list[tuple[object, ...]]:
    with connect(conninfo) as conn:
        if conn.execute("SELECT to_regnamespace('vitrine') IS NULL").fetchone() == (True,):
            return []
        return conn.execute(OBJECTS, {"schemas": list(SCHEMAS)}).fetchall()


def test_the_database_is_what_the_models_say(history: History, conninfo: str) -> None:
    migrate(history, conninfo)
    models = import_module(f"db.{history.value}.models")
    with engine(conninfo).connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_schemas": True,
                "include_name": lambda name, kind, _: (
                    (kind != "schema" or name in {table.schema for table in models.metadata.tables.values()})
                    and name != "alembic_version"
                ),
                "version_table_schema": models.SCHEMA,
            },
        )
        assert compare_metadata(context, models.metadata) == []


def test_a_second_upgrade_does_nothing(history: History, conninfo: str) -> None:
    assert read_revision(history, conninfo)[0] is None
    migrate(history, conninfo)
    revision, head = read_revision(history, conninfo)
    assert revision == head is not None
    before = read_objects(conninfo)
    migrate(history, conninfo)
    assert read_objects(conninfo) == before


def test_down_to_the_base_and_up_again(history: History, conninfo: str) -> None:
    migrate(history, conninfo)
    first = read_objects(conninfo)
    assert len(first) > 30
    downgrade(history, conninfo)
    assert read_objects(conninfo) == []
    migrate(history, conninfo)
    assert read_objects(conninfo) == first


def test_the_printed_sql_makes_the_same(
    history: History, conninfo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(history, conninfo)
    expected = read_objects(conninfo)
    emit_sql(history)
    with connect(conninfo) as conn:
        for schema in SCHEMAS:
            conn.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
        conn.execute(capsys.readouterr().out.encode())
    assert read_objects(conninfo) == expected


def test_a_lock_that_cannot_be_had_ends_it_with_a_next_step(
    history: History, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dump would hold it; nothing is half done, and the next run does it."""
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "SET LOCAL lock_timeout = '50ms'")
    with engine(conninfo).begin() as connection:
        command.upgrade(migrating._config(history, connection), "0001")
    with connect(conninfo) as reader, reader.transaction():
        for table in TABLES_0001:
            reader.execute(
                sql.SQL("LOCK TABLE vitrine.{} IN ACCESS SHARE MODE").format(sql.Identifier(table))
            )
        with pytest.raises(migrating.MigrationLockError, match="run 'ponte migrate' again"):
            migrate(history, conninfo)
        assert read_revision(history, conninfo)[0] == "0001"
    migrate(history, conninfo)
    revision, head = read_revision(history, conninfo)
    assert revision == head


def test_a_database_that_cannot_hold_every_letter_is_refused(
    clusters: dict[str, Cluster], history: History, conninfo: str
) -> None:
    with connect(conninfo) as conn:
        conn.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(migrating.EncodingError, match="latin has the encoding LATIN1"):
            migrate(history, clusters[CLUSTERS[history]].conninfo("latin"))
    finally:
        with connect(conninfo) as conn:
            conn.execute("DROP DATABASE latin")
