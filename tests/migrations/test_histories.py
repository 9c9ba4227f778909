"""The two Alembic histories: what they make is what the models say, wherever a database began."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from db import migrate as migrating
from db.alchemy import engine
from db.engines import connect
from db.migrate import ROUTINES, History, emit_sql, is_current, migrate, read_revision
from db.sqlfile import read_sql
from infra.devstack.clusters import HOST, Cluster
from tests.fix_clusters import PASSWORD, PORTS

EMPTY = "empty"
CLUSTERS = {History.INTRANET: "vitrine", History.VPS: "vps"}
SCHEMAS = ("vitrine", "projection", "guard", "auth", "push", "watch", "worker")
TABLES_0005 = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas", "heartbeat")
SQL = Path(__file__).with_name("objects.sql")
MADE = Path(__file__).with_name("made")


@pytest.fixture(params=list(History), ids=str)
def history(request: pytest.FixtureRequest) -> History:
    return History(request.param)


@pytest.fixture
def conninfo(clusters: dict[str, Cluster], history: History) -> Iterator[str]:
    """An empty database on the history's own cluster."""
    name = CLUSTERS[history]
    with DatabaseJanitor(user="postgres", password=PASSWORD, host=HOST, port=PORTS[name], dbname=EMPTY):
        yield clusters[name].conninfo(EMPTY)


def read_objects(conninfo: str) -> list[tuple[object, ...]]:
    with connect(conninfo) as conn:
        if conn.execute("SELECT to_regnamespace('vitrine') IS NULL").fetchone() == (True,):
            return []
        return conn.execute(SQL.read_bytes(), {"schemas": list(SCHEMAS)}).fetchall()


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


@pytest.mark.parametrize(
    ("history", "made"),
    [(History(path.stem.split("_")[0]), path) for path in sorted(MADE.glob("*.sql"))],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_an_old_database_ends_as_a_new_one_begins(
    clusters: dict[str, Cluster], conninfo: str, history: History, made: Path
) -> None:
    """Made by the SQL that the version of its day printed, with rows in it; nothing of them is lost."""
    migrate(history, conninfo)
    expected = read_objects(conninfo)
    other = clusters[CLUSTERS[history]].conninfo("old")
    with DatabaseJanitor(
        user="postgres", password=PASSWORD, host=HOST, port=PORTS[CLUSTERS[history]], dbname="old"
    ):
        with connect(other) as conn:
            conn.execute(made.read_bytes())
            conn.execute("SET session_replication_role = replica")
            conn.execute("INSERT INTO vitrine.pedidos (id, cliente, versao) VALUES (7, 'ACME', 70)")
        assert not is_current(history, other)
        migrate(history, other)
        assert is_current(history, other)
        assert read_objects(other) == expected
        with connect(other) as conn:
            assert conn.execute("SELECT id, cliente FROM vitrine.pedidos").fetchall() == [(7, "ACME")]


def test_there_are_old_databases_of_both_histories() -> None:
    assert {path.stem for path in MADE.glob("*.sql")} >= {
        "intranet_0005", "intranet_0011", "vps_0005", "vps_0009",
    }  # fmt: skip


def test_what_a_former_version_installed_goes(history: History, conninfo: str) -> None:
    schema = {History.INTRANET: "projection", History.VPS: "guard"}[history]
    migrate(history, conninfo)
    expected = read_objects(conninfo)
    with connect(conninfo) as conn:
        for statement in (
            "CREATE FUNCTION {}.former() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER former BEFORE INSERT ON vitrine.pedidos"
            " FOR EACH ROW EXECUTE FUNCTION {}.former()",
            "CREATE FUNCTION {}.former(one integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        ):
            conn.execute(sql.SQL(statement).format(sql.Identifier(schema)))
    migrate(history, conninfo)
    assert read_objects(conninfo) == expected


def test_what_somebody_else_installed_stays(history: History, conninfo: str) -> None:
    migrate(history, conninfo)
    with connect(conninfo) as conn:
        conn.execute(
            "CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        conn.execute(
            "CREATE TRIGGER audit AFTER INSERT ON vitrine.pedidos"
            " FOR EACH ROW EXECUTE FUNCTION public.audit()"
        )
    before = read_objects(conninfo)
    migrate(history, conninfo)
    assert "vitrine.pedidos audit" in [name for _, name, _ in before]
    assert read_objects(conninfo) == before


def test_a_function_changed_by_hand_is_put_back(history: History, conninfo: str) -> None:
    changed = {
        History.INTRANET: "CREATE OR REPLACE FUNCTION projection.stamp_versao() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        History.VPS: "CREATE OR REPLACE FUNCTION guard.announce() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    }
    migrate(history, conninfo)
    expected = read_objects(conninfo)
    with connect(conninfo) as conn:
        conn.execute(changed[history])
    assert read_objects(conninfo) != expected
    migrate(history, conninfo)
    assert read_objects(conninfo) == expected


def test_a_database_of_a_newer_version_is_left_alone(history: History, conninfo: str) -> None:
    schema = {History.INTRANET: "projection", History.VPS: "guard"}[history]
    migrate(history, conninfo)
    with connect(conninfo) as conn:
        conn.execute(
            sql.SQL("UPDATE {}.alembic_version SET version_num = '9999'").format(sql.Identifier(schema))
        )
    before = read_objects(conninfo)
    with pytest.raises(migrating.NewerDatabaseError, match="is at version 9999") as caught:
        migrate(history, conninfo)
    assert "no version goes back" in str(caught.value)
    assert read_objects(conninfo) == before


def test_each_function_is_defined_once(history: History) -> None:
    """In the files that every run installs, and in no migration."""
    package = files(f"db.{history.value}")
    listed = ROUTINES[history]
    assert sorted(listed) == sorted(
        Path(entry.name).stem for entry in package.joinpath("sql").iterdir() if entry.name.endswith(".sql")
    )
    defined = [
        found
        for name in listed
        for found in re.findall(
            r"FUNCTION ([a-z_.]+\([^)]*\)) RETURNS", read_sql(f"db.{history.value}", name)
        )
    ]
    assert len(defined) > 5
    assert len(set(defined)) == len(defined)
    for entry in package.joinpath("migrations", "versions").iterdir():
        if entry.name.endswith(".py"):
            assert "FUNCTION" not in entry.read_text(encoding="utf-8"), entry.name


def test_a_lock_that_cannot_be_had_ends_it_with_a_next_step(
    history: History, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dump would hold it; nothing is half done, and the next run does it."""
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "SET LOCAL lock_timeout = '50ms'")
    with connect(conninfo) as conn:
        conn.execute((MADE / f"{history.value}_0005.sql").read_bytes())
    with connect(conninfo) as reader, reader.transaction():
        for table in TABLES_0005:
            reader.execute(
                sql.SQL("LOCK TABLE vitrine.{} IN ACCESS SHARE MODE").format(sql.Identifier(table))
            )
        with pytest.raises(migrating.MigrationLockError, match="run 'ponte migrate' again"):
            migrate(history, conninfo)
        assert read_revision(history, conninfo)[0] == "0005"
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
