"""Mistakes with the `ponte` command: a fact, a hint, the right exit code, and nothing left behind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.devstack.clusters import HOST
from infra.devstack.postgres import find_server_user
from publications.cli import main
from publications.declaration import DEFAULT_PATH
from tests.fix_mistakes import (
    FAILED,
    USAGE,
    Make,
    Mistake,
    Stage,
    Table,
    both,
    check_told,
    in_sql,
    let_servers_in,
    rows,
    run_here,
    set_to,
    undo,
    unset,
)
from tests.fix_road import ROLE_PASSWORD
from tests.ports import find_free_port

SGP, VITRINE, VPS = "PONTE_SGP_DSN", "PONTE_VITRINE_DSN", "PONTE_VPS_DSN"


def dsn(name: str, **changes: str | int | None) -> Make:
    """Change keywords of an administrator's connection string."""
    return undo(lambda stage: stage.set_dsn(name, **changes))


def without_password(name: str, **changes: str | int | None) -> Make:
    return dsn(name, password=None, **changes)


def role(name: str, options: str, **changes: str | int | None) -> Make:
    """Come as another role."""
    made = in_sql(name, f"CREATE ROLE clumsy PASSWORD 'clumsy' {options}", "DROP ROLE clumsy")
    return both(made, dsn(name, user="clumsy", password="clumsy", **changes))


def secret(name: str, content: bytes, mode: int = 0o600) -> Make:
    """Keep one secret in another way."""

    def change(stage: Stage) -> None:
        path = stage.keep_secrets() / name.lower()
        path.write_bytes(content)
        path.chmod(mode)

    return undo(change)


def make_it_a_folder(stage: Stage) -> None:
    path = stage.keep_secrets() / VPS.lower()
    path.unlink()
    path.mkdir()


def passfile(content: str | None, mode: int = 0o600) -> Make:
    """Leave the password to a passfile of the operator's."""

    def change(stage: Stage) -> None:
        path = stage.folder / "pgpass"
        if content is not None:
            path.write_text(content)
            path.chmod(mode)
        stage.set_dsn("sgp", password=None, passfile=str(path))

    return undo(change)


def declaration(change: Callable[[Path], object]) -> Make:
    """Put another declaration where the command expects it: argv names 'DECLARATION'."""
    return undo(lambda stage: change(stage.folder / "own.toml"))


def edit(old: str, new: str) -> Make:
    def change(path: Path) -> None:
        text = DEFAULT_PATH.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return declaration(change)


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


@contextmanager
def port_taken(stage: Stage) -> Iterator[None]:
    with socket.create_server((HOST, find_free_port())) as server:
        stage.env["PONTE_PANEL_PORT"] = str(server.getsockname()[1])
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
AT = rf"{HOST}:\d+"

SETTINGS: Table = {
    "plan, nothing is set": Mistake(
        ("plan",),
        USAGE,
        r"not set: PONTE_SGP_DSN, PONTE_VITRINE_DSN, .*",
        "as files in PONTE_SECRETS_DIR",
        undo(lambda stage: [stage.env.pop(name) for name in list(stage.env) if name.startswith("PONTE_")]),
    ),
    "status, one connection string is missing": Mistake(
        ("status",),
        USAGE,
        "not set: PONTE_WATCH_VPS_DSN",
        "of the role ponte_watch",
        unset("PONTE_WATCH_VPS_DSN"),
    ),
    "plan, the secrets' folder is missing": Mistake(
        ("plan",),
        USAGE,
        "PONTE_SECRETS_DIR names /nowhere: no such file or directory",
        "name the folder",
        both(unset(SGP), set_to(PONTE_SECRETS_DIR="/nowhere")),
    ),
    "plan, the secrets' folder is a file": Mistake(
        ("plan",),
        USAGE,
        f"PONTE_SECRETS_DIR names {__file__}: not a directory",
        "name the folder",
        both(unset(SGP), set_to(PONTE_SECRETS_DIR=__file__)),
    ),
    "plan, the secrets' folder is empty": Mistake(
        ("plan",),
        USAGE,
        "not set: PONTE_SGP_DSN",
        "as files in PONTE_SECRETS_DIR",
        both(unset(SGP), undo(lambda stage: stage.env.update(PONTE_SECRETS_DIR=str(stage.folder)))),
    ),
    "plan, everybody may read a secret": Mistake(
        ("plan",),
        USAGE,
        r"the secret \S+/ponte_vps_dsn can be read by everybody",
        "chmod o= ",
        secret(VPS, b"dbname=vps", 0o644),
    ),
    "plan, a secret is empty": Mistake(
        ("plan",),
        USAGE,
        r"the secret \S+/ponte_vps_dsn is empty",
        "in one line",
        secret(VPS, b"\n"),
    ),
    "plan, a secret has two lines": Mistake(
        ("plan",),
        USAGE,
        r"the secret \S+/ponte_vps_dsn holds more than one line",
        "in one line",
        secret(VPS, b"host=a\r\ndbname=vps\r\n"),
    ),
    "plan, a secret is in UTF-16": Mistake(
        ("plan",),
        USAGE,
        r"the secret \S+/ponte_vps_dsn is not UTF-8",
        "write it anew",
        secret(VPS, "dbname=vps".encode("utf-16")),
    ),
    "plan, a secret is a folder": Mistake(
        ("plan",),
        USAGE,
        r"the secret \S+/ponte_vps_dsn can't be read: is a directory",
        "make it a file",
        undo(make_it_a_folder),
    ),
    "apply, a role's password is empty": Mistake(
        ("apply",),
        USAGE,
        "PONTE_VPS_PONTE_API_PASSWORD is empty",
        "that role's password",
        set_to(PONTE_VPS_PONTE_API_PASSWORD=""),
    ),
    "plan, a connection string is none": Mistake(
        ("plan",),
        USAGE,
        "PONTE_VPS_DSN is no libpq connection string",
        "write it as",
        set_to(PONTE_VPS_DSN="hostt=127.0.0.1"),
    ),
    "lag, a connection string is none": Mistake(
        ("lag",),
        USAGE,
        "PONTE_WATCH_VPS_DSN is no libpq connection string",
        "write it as",
        set_to(PONTE_WATCH_VPS_DSN="127.0.0.1"),
    ),
    "apply, a password in a subscription": Mistake(
        ("apply",),
        USAGE,
        "PONTE_SUB_VPS_CONNINFO holds a password, .*",
        "use passfile=",
        set_to(PONTE_SUB_VPS_CONNINFO="host=a password=b"),
    ),
    "panel, a number that is none": Mistake(
        ("panel",),
        USAGE,
        "settings are missing or wrong: PONTE_PANEL_PORT: input should be a valid integer.*",
        "set them",
        set_to(PONTE_PANEL_PORT="oito"),
    ),
    "lag, a number out of range": Mistake(
        ("lag",),
        USAGE,
        "settings are missing or wrong: PONTE_PANEL_POLL_SECONDS: input should be less than .*",
        "set them",
        set_to(PONTE_PANEL_POLL_SECONDS="3600"),
    ),
    "an unknown subcommand": Mistake(
        ("plam",), USAGE, "argument COMMAND: invalid choice: 'plam'.*", "--help"
    ),
    "an unknown flag": Mistake(("plan", "--jason"), USAGE, "unrecognized arguments: --jason", "--help"),
    "two shapes at once": Mistake(("plan", "--json", "--sql"), USAGE, ".*not allowed with .*", "plan --help"),
    "plan, a declaration that is not there": Mistake(
        ("--declaration", "/nowhere.toml", "plan"),
        USAGE,
        "/nowhere.toml can't be read: no such file or directory",
        "--declaration",
    ),
    "plan, a declaration that is a folder": Mistake(
        ("--declaration", "/", "plan"), USAGE, "/ can't be read: is a directory", "--declaration"
    ),
    "plan, a declaration in another encoding": Mistake(
        ("--declaration", "DECLARATION", "plan"),
        USAGE,
        r"\S+own.toml is not UTF-8",
        "save it as UTF-8",
        declaration(lambda path: path.write_bytes("# Expedição".encode("latin-1"))),
    ),
    "plan, a declaration that is no TOML": Mistake(
        ("--declaration", "DECLARATION", "plan"),
        USAGE,
        r"own.toml is not TOML: .*line 1.*",
        "mend the line",
        declaration(lambda path: path.write_text("version = = 1\n")),
    ),
    "plan, an unknown key": Mistake(
        ("--declaration", "DECLARATION", "plan"),
        USAGE,
        r"own.toml, line \d+: unknown key intake.sourze.*",
        "did you mean 'source'?",
        edit("source = ", "sourze = "),
    ),
    "plan, a value of another type": Mistake(
        ("--declaration", "DECLARATION", "plan"),
        USAGE,
        r"own.toml, line \d+: version: input should be 1",
        "mend that line",
        edit("version = 1", 'version = "dois"'),
    ),
}

DATABASES: Table = {
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
    "apply, no password and no passfile": Mistake(
        ("apply",),
        FAILED,
        r"sgp can't be reached: there is no password for role postgres, and no passfile \S+/pgpass",
        "with passfile= in PONTE_SGP_DSN",
        passfile(None),
    ),
    "apply, a passfile without that line": Mistake(
        ("apply",),
        FAILED,
        rf"sgp can't be reached: the passfile \S+ has no line for role postgres at {AT}",
        "add the line",
        passfile("elsewhere:5432:*:*:x\n"),
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
    "panel, the port is taken": Mistake(
        ("panel",),
        FAILED,
        rf"port \d+ on {HOST} can't be had: address already in use",
        "set PONTE_PANEL_PORT",
        port_taken,
    ),
    "panel, an address of another machine": Mistake(
        ("panel",),
        FAILED,
        r"port 8090 on 192.0.2.1 can't be had: .*",
        "set PONTE_PANEL_HOST",
        set_to(PONTE_PANEL_HOST="192.0.2.1"),
    ),
}


POSIX: Table = {
    "apply, a passfile that others may read": Mistake(
        ("apply",),
        FAILED,
        r"sgp can't be reached: others may use the passfile \S+, so libpq leaves it unread",
        "chmod 0600",
        passfile("*:*:*:*:x\n", 0o644),
    ),
}
"""Not on Windows. libpq warns of it on stderr too."""


def server_passfile(change: Callable[[Path], object]) -> Make:
    """Name a passfile for the intake of which its server makes nothing."""

    def made(stage: Stage) -> None:
        path = stage.folder / "intake.pgpass"
        path.write_text(f"*:*:*:*:{ROLE_PASSWORD}\n")
        path.chmod(0o600)
        let_servers_in(stage.folder)
        if user := find_server_user():
            user.own(path)
        change(path)
        conninfo = conninfo_to_dict(stage.env["PONTE_SUB_INTAKE_CONNINFO"])
        stage.env["PONTE_SUB_INTAKE_CONNINFO"] = make_conninfo("", **{**conninfo, "passfile": str(path)})

    return undo(made)


REFUSED = "vitrine's server can't reach sgp, and no slot was made: .*"
PASSFILES: Table = {
    "apply, a server's passfile that is not there": Mistake(
        ("apply",), FAILED, REFUSED, "on that server there is no ", server_passfile(Path.unlink)
    ),
    "apply, a server's passfile that it may not read": Mistake(
        ("apply",), FAILED, REFUSED, "that server may not read ", server_passfile(lambda path: path.chmod(0))
    ),
    "apply, a server's passfile that others may read": Mistake(
        ("apply",), FAILED, REFUSED, "counts with mode 0600", server_passfile(lambda path: path.chmod(0o644))
    ),
    "apply, a server's passfile with another password": Mistake(
        ("apply",),
        FAILED,
        REFUSED,
        "correct PONTE_SUB_INTAKE_CONNINFO",
        server_passfile(lambda path: path.write_text("*:*:*:*:wrong\n")),
    ),
    "apply, a publisher that its subscriber can't reach": Mistake(
        ("apply",),
        FAILED,
        "vps's server can't reach vitrine, and no slot was made: .*",
        "with passfile= a file that that server can read",
        set_to(PONTE_SUB_VPS_CONNINFO="host=127.0.0.1 port=1"),
    ),
}
"""What is read by a server, of which only that server can tell."""

TABLE: Table = SETTINGS | DATABASES | POSIX | PASSFILES


@rows(SETTINGS | DATABASES)
def test_a_mistake_is_told_and_leaves_nothing(
    mistake: Mistake, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with mistake.make(stage):
        before = stage.list_left()
        argv = [str(stage.folder / "own.toml") if word == "DECLARATION" else word for word in mistake.argv]
        code = run_here(main, stage, argv)
        assert stage.list_left() == before
    said = capsys.readouterr()
    check_told(mistake, said.err, program="ponte: ")
    assert (code, said.out) == (mistake.code, "")


@rows(POSIX)
def test_what_libpq_warns_of_is_told_as_well(
    mistake: Mistake, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with mistake.make(stage):
        code = run_here(main, stage, mistake.argv)
    check_told(mistake, capsys.readouterr().err, program="ponte: ")
    assert code == mistake.code


@rows(PASSFILES)
def test_no_slot_is_made_for_who_could_not_come(
    mistake: Mistake, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with mistake.make(stage):
        code = run_here(main, stage, mistake.argv)
    said = capsys.readouterr()
    check_told(mistake, "\n".join(said.err.splitlines()[-2:]), program="ponte: ")
    assert (code, said.out) == (mistake.code, "")
    kinds = {str(one).split()[0] for left in stage.list_left().values() for one in left}
    assert kinds <= {"role", "publication"}
