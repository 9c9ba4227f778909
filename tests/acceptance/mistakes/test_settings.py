"""Mistakes in what `ponte` is told: variables, secrets, words, the declaration."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.devstack.clusters import HOST
from publications.cli import main
from publications.declare.declaration import STARTING_PATH, VARIABLE
from tests.fix_mistakes import (
    FAILED,
    USAGE,
    Make,
    Mistake,
    Stage,
    Table,
    both,
    check_told,
    operator_variables,
    rows,
    run_here,
    set_to,
    undo,
    unset,
)
from tests.ports import find_free_port

SGP, VPS = "PONTE_SGP_DSN", "PONTE_VPS_DSN"


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


def declaration(change: Callable[[Path], object]) -> Make:
    """Put another declaration where the command expects it: argv names 'DECLARATION'."""
    return undo(lambda stage: change(stage.folder / "own.toml"))


def edit(old: str, new: str) -> Make:
    def change(path: Path) -> None:
        text = STARTING_PATH.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return declaration(change)


@contextmanager
def port_taken(stage: Stage) -> Iterator[None]:
    with socket.create_server((HOST, find_free_port())) as server:
        stage.env["PONTE_PANEL_PORT"] = str(server.getsockname()[1])
        yield


TABLE: Table = {
    "plan, no declaration": Mistake(
        ("plan",),
        USAGE,
        "no declaration is given: .*",
        "ponte declaration --starting",
        unset(VARIABLE),
    ),
    "plan, nothing is set": Mistake(
        ("plan",),
        USAGE,
        r"not set: PONTE_SGP_DSN, PONTE_VITRINE_DSN, .*",
        "as files in PONTE_SECRETS_DIR",
        undo(
            lambda stage: [
                stage.env.pop(name)
                for name in list(stage.env)
                if name.startswith("PONTE_") and name != VARIABLE
            ]
        ),
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


@rows(TABLE)
def test_what_is_wrongly_told_is_named(
    mistake: Mistake, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    bare_stage.env |= operator_variables()
    with mistake.make(bare_stage):
        own = str(bare_stage.folder / "own.toml")
        code = run_here(main, bare_stage, [own if word == "DECLARATION" else word for word in mistake.argv])
    said = capsys.readouterr()
    check_told(mistake, said.err, program="ponte: ")
    assert (code, said.out) == (mistake.code, "")
