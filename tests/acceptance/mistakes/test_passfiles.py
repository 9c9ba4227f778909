"""Passfiles that are of no use to who is to read them: an operator, or a subscriber's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.devstack.clusters import HOST
from infra.devstack.postgres import find_server_user
from publications.cli import main
from tests.fix_mistakes import (
    FAILED,
    Make,
    Mistake,
    Stage,
    Table,
    check_told,
    let_servers_in,
    rows,
    run_here,
    set_to,
    undo,
)
from tests.fix_road import ROLE_PASSWORD

AT = rf"{HOST}:\d+"


def passfile(content: str | None, mode: int = 0o600) -> Make:
    """Leave the password to a passfile of the operator's."""

    def change(stage: Stage) -> None:
        path = stage.folder / "pgpass"
        if content is not None:
            path.write_text(content)
            path.chmod(mode)
        stage.set_dsn("sgp", password=None, passfile=str(path))

    return undo(change)


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
OWN: Table = {
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
    "apply, a passfile that others may read": Mistake(
        ("apply",),
        FAILED,
        r"sgp can't be reached: others may use the passfile \S+, so libpq leaves it unread",
        "chmod 0600",
        passfile("*:*:*:*:x\n", 0o644),
    ),
}
SERVERS: Table = {
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

TABLE: Table = OWN | SERVERS


@rows(OWN)
def test_a_passfile_that_libpq_passes_over_is_told(
    mistake: Mistake, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with mistake.make(stage):
        code = run_here(main, stage, mistake.argv)
    said = capsys.readouterr()
    check_told(mistake, said.err, program="ponte: ")
    assert (code, said.out) == (mistake.code, "")


@rows(SERVERS)
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
