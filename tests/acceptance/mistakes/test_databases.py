"""Databases that are not as an operator of `ponte` thinks: each is told, and nothing is left behind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import sql

from infra.devstack.clusters import HOST
from publications.cli import main
from tests.fix_mistakes import (
    FAILED,
    Make,
    Mistake,
    Stage,
    Table,
    both,
    check_told,
    in_sql,
    rows,
    run_here,
    undo,
)
from tests.ports import find_free_port

AT = rf"{HOST}:\d+"


def dsn(name: str, **changes: str | int | None) -> Make:
    """Change keywords of an administrator's connection string."""
    return undo(lambda stage: stage.set_dsn(name, **changes))


def role(name: str, options: str, **changes: str | int | None) -> Make:
    """Come as another role."""
    made = in_sql(name, f"CREATE ROLE clumsy PASSWORD 'clumsy' {options}", "DROP ROLE clumsy")
    return both(made, dsn(name, user="clumsy", password="clumsy", **changes))


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """Have somebody listen who is no PostgreSQL: he answers this, or nothing at all."""
    done = threading.Event()
    held: list[socket.socket] = []
    with socket.create_server((HOST, find_free_port())) as server:

        def serve() -> None:
            while not done.is_set():
                client, _ = server.accept()
                held.append(client)
                if answer is not None:
                    client.recv(64)
                    client.sendall(answer)
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        socket.create_connection(server.getsockname()).close()
        thread.join(10)
        for client in held:
            client.close()


@contextmanager
def no_postgresql(stage: Stage) -> Iterator[None]:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        stage.set_dsn("sgp", port=port)
        yield


@contextmanager
def silence(stage: Stage) -> Iterator[None]:
    with listening(None) as port:
        stage.set_dsn("sgp", port=port, connect_timeout=2)
        yield


@contextmanager
def another_apply(stage: Stage) -> Iterator[None]:
    with stage.open("vitrine") as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [0x706F6E7465])
        yield


def version(name: str, table: str, found: str) -> Make:
    @contextmanager
    def made(stage: Stage) -> Iterator[None]:
        renamed = sql.Identifier(*table.split("."))
        with stage.open(name) as conn:
            [before] = conn.execute(sql.SQL("SELECT version_num FROM {}").format(renamed)).fetchone() or [""]
            update = sql.SQL("UPDATE {} SET version_num = {}")
            conn.execute(update.format(renamed, found))
            try:
                yield
            finally:
                conn.execute(update.format(renamed, before))

    return made


@contextmanager
def other_functions(stage: Stage) -> Iterator[None]:
    with stage.open("vps") as conn:
        query = "SELECT obj_description('guard'::regnamespace, 'pg_namespace')"
        [noted] = conn.execute(query).fetchone() or [""]
        comment = sql.SQL("COMMENT ON SCHEMA guard IS {}")
        conn.execute(comment.format("routines of yesterday"))
        try:
            yield
        finally:
            conn.execute(comment.format(noted))


NEVER = both(
    in_sql(
        "vps",
        "ALTER TABLE guard.alembic_version RENAME TO other",
        "ALTER TABLE guard.other RENAME TO alembic_version",
    )
)
LATIN = both(
    in_sql(
        "vitrine",
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0",
        "DROP DATABASE latin WITH (FORCE)",
    ),
    dsn("vitrine", dbname="latin"),
)
TABLE: Table = {
    **{
        f"{' '.join(argv)}, the server is down": Mistake(
            argv,
            FAILED,
            f"vps can't be reached: nobody listens at {HOST}:1",
            "start that server, or correct host and port in PONTE_VPS_DSN",
            dsn("vps", port=1),
        )
        for argv in (("apply",), ("migrate",), ("migrate-helper", "release", "pedidos.cliente"))
    },
    "apply, no such host": Mistake(
        ("apply",),
        FAILED,
        "sgp can't be reached: host nowhere.invalid has no address",
        "correct host in PONTE_SGP_DSN",
        dsn("sgp", host="nowhere.invalid"),
    ),
    "apply, what answers is no PostgreSQL": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: what answers at {AT} is no PostgreSQL",
        "correct host and port",
        no_postgresql,
    ),
    "apply, nobody answers": Mistake(
        ("apply",), FAILED, f"sgp can't be reached: {AT} does not answer", "tailscale status", silence
    ),
    "apply, a port that is none": Mistake(
        ("apply",),
        FAILED,
        'sgp can\'t be reached: .*"99999"',
        "correct PONTE_SGP_DSN",
        dsn("sgp", port=99999),
    ),
    "apply, a folder without a socket": Mistake(
        ("apply",),
        FAILED,
        "sgp can't be reached: .*No such file or directory.*",
        "start that server, or correct PONTE_SGP_DSN",
        dsn("sgp", host="/nowhere"),
    ),
    "apply, the wrong password": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} refuses role postgres with this password",
        "correct user and password in PONTE_SGP_DSN",
        dsn("sgp", password="wrong"),
    ),
    "migrate, the wrong password": Mistake(
        ("migrate",),
        FAILED,
        f"vitrine can't be reached: {AT} refuses role postgres with this password",
        "correct user and password in PONTE_VITRINE_DSN",
        dsn("vitrine", password="wrong"),
    ),
    "apply, no such role": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} refuses role nobody with this password",
        "correct user and password",
        dsn("sgp", user="nobody"),
    ),
    "apply, no such database": Mistake(
        ("apply",),
        FAILED,
        f"vps can't be reached: {AT} has no database vpz",
        "correct dbname in PONTE_VPS_DSN",
        dsn("vps", dbname="vpz"),
    ),
    "apply, a database that is closed": Mistake(
        ("apply",),
        FAILED,
        f"vps can't be reached: {AT} takes no connections to database template0",
        "ALLOW_CONNECTIONS",
        dsn("vps", dbname="template0"),
    ),
    "apply, a role that may not log in": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} does not let role clumsy into database sgp without TLS",
        "pg_hba.conf",
        role("sgp", "NOLOGIN"),
    ),
    "apply, a role that may not connect": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} does not let role clumsy connect to database sgp",
        "GRANT CONNECT ON DATABASE sgp TO clumsy",
        both(
            role("sgp", "LOGIN"),
            in_sql(
                "sgp",
                "REVOKE CONNECT ON DATABASE sgp FROM PUBLIC",
                "GRANT CONNECT ON DATABASE sgp TO PUBLIC",
            ),
        ),
    ),
    "apply, too many connections": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} has no connection left for role clumsy",
        "pg_stat_activity",
        role("sgp", "LOGIN CONNECTION LIMIT 0"),
    ),
    **{
        f"{argv[0]}, the role is no superuser": Mistake(
            argv,
            FAILED,
            "role clumsy on sgp is no superuser",
            "name one in PONTE_SGP_DSN",
            role("sgp", "LOGIN"),
        )
        for argv in (("plan",), ("apply",))
    },
    "migrate, the role may change nothing": Mistake(
        ("migrate",),
        FAILED,
        "vitrine does not allow it: permission denied for .*",
        "'ponte' itself needs a superuser",
        role("vitrine", "LOGIN"),
    ),
    "apply, TLS is demanded and there is none": Mistake(
        ("apply",),
        FAILED,
        f"sgp can't be reached: {AT} has no TLS, and sslmode=require demands it",
        "take sslmode out of PONTE_SGP_DSN",
        dsn("sgp", sslmode="require"),
    ),
    "plan, a window that was never migrated": Mistake(
        ("plan",), FAILED, "vps was never migrated", "run 'ponte migrate'", NEVER
    ),
    "plan, an older window": Mistake(
        ("plan",),
        FAILED,
        r"vitrine is at migration 0005 and should be at \d+",
        "run 'ponte migrate'",
        version("vitrine", "projection.alembic_version", "0005"),
    ),
    **{
        f"{command}, a newer window": Mistake(
            (command,),
            FAILED,
            r"vps is at migration 9999, and this Ponte knows [\d, ]+",
            "install the version of Ponte that migrated it",
            version("vps", "guard.alembic_version", "9999"),
        )
        for command in ("plan", "apply", "migrate")
    },
    "apply, another version's functions": Mistake(
        ("apply",),
        FAILED,
        "vps has the functions of another version of Ponte",
        "run 'ponte migrate'",
        other_functions,
    ),
    "migrate, a database that lacks letters": Mistake(
        ("migrate",),
        FAILED,
        "database latin has the encoding LATIN1, which can't hold every letter",
        "ENCODING 'UTF8'",
        LATIN,
    ),
    "apply, another apply runs": Mistake(
        ("apply",), FAILED, "another 'ponte apply' is running", "wait for it to end", another_apply
    ),
    "release, before anything was applied": Mistake(
        ("migrate-helper", "release", "pedidos.cliente"),
        FAILED,
        "there is no publication pub_intake_pedidos",
        "run 'ponte plan'",
    ),
    "release, a table that is none": Mistake(
        ("migrate-helper", "release", "nada.id"), FAILED, "'nada.id' names no column.*", "write table.column"
    ),
}


@rows(TABLE)
def test_a_database_that_is_otherwise_is_told_and_left_as_it_is(
    mistake: Mistake, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with mistake.make(stage):
        before = stage.list_left()
        code = run_here(main, stage, mistake.argv)
        assert stage.list_left() == before
    said = capsys.readouterr()
    check_told(mistake, said.err, program="ponte: ")
    assert (code, said.out) == (mistake.code, "")
