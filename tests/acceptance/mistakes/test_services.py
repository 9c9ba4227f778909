"""Mistakes with the services and the dev stack: those that keep them from starting."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.devstack.__main__ import main as run_devstack
from infra.devstack.clusters import HOST
from tests.fix_api import api_environment
from tests.fix_mistakes import (
    FAILED,
    USAGE,
    Make,
    Mistake,
    Stage,
    Table,
    bare_environment,
    both,
    check_told,
    let_servers_in,
    rows,
    run_here,
    set_to,
    undo,
    unset,
)
from tests.ports import find_free_port
from thumbnail_worker.__main__ import main as run_worker
from vps_readapi.__main__ import main as run_api
from vps_readapi.ingest.__main__ import main as run_ingest

NOWHERE = f"host={HOST} port=1 user=x password=x"
KEY = "k" * 40
SERVES = ()
"""No word beside the environment's: the service runs."""


@contextmanager
def taken(variable: str, stage: Stage) -> Iterator[None]:
    with socket.create_server((HOST, find_free_port())) as server:
        stage.env[variable] = str(server.getsockname()[1])
        yield


def port_taken(variable: str) -> Make:
    return lambda stage: taken(variable, stage)


def own_file(variable: str) -> Make:
    """Name a file where a folder is wanted."""

    def change(stage: Stage) -> None:
        path = stage.folder / "file"
        path.touch()
        stage.env[variable] = str(path)

    return undo(change)


def open_secret(name: str) -> Make:
    def change(stage: Stage) -> None:
        (stage.keep_secrets() / name.lower()).chmod(0o644)

    return undo(change)


def broken_state(stage: Stage) -> None:
    root = stage.folder / ".ponte"
    root.mkdir()
    let_servers_in(root)
    (root / "stack.json").write_text("{")


WRONG = "settings are missing or wrong: .*"
API: Table = {
    "api, nothing is set": Mistake(
        SERVES,
        USAGE,
        f"{WRONG}PONTE_API_TOKEN_KEY: field required.*",
        "as files in PONTE_SECRETS_DIR",
        undo(lambda stage: [stage.env.pop(name) for name in list(stage.env) if name.startswith("PONTE_")]),
    ),
    "api, a key that is too short": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_API_TOKEN_KEY: .*32 bytes",
        "set them",
        set_to(PONTE_API_TOKEN_KEY="short"),
    ),
    "api, a connection string that is none": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_API_DSN: .*not a libpq connection string",
        "set them",
        set_to(PONTE_API_DSN="127.0.0.1"),
    ),
    "api, a port out of range": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_API_PORT: .*less than or equal to 65535",
        "set them",
        set_to(PONTE_API_PORT="99999"),
    ),
    "api, a time zone that is none": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_API_TIME_ZONE: .*",
        "set them",
        set_to(PONTE_API_TIME_ZONE="Brasil"),
    ),
    "api, everybody may read a secret": Mistake(
        SERVES,
        USAGE,
        r"the secret \S+/ponte_api_token_key can be read by everybody",
        "chmod o= ",
        open_secret("PONTE_API_TOKEN_KEY"),
    ),
    "api, the secrets' folder is missing": Mistake(
        SERVES,
        USAGE,
        "PONTE_SECRETS_DIR names /nowhere: no such file or directory",
        "name the folder",
        both(unset("PONTE_API_DSN"), set_to(PONTE_SECRETS_DIR="/nowhere")),
    ),
    "api, an unknown flag": Mistake(
        ("--port", "80"), USAGE, "python -m vps_readapi: unrecognized.*", "--help"
    ),
    "api, the port is taken": Mistake(
        SERVES,
        FAILED,
        rf"port \d+ on {HOST} can't be had: address already in use",
        "set PONTE_API_PORT",
        port_taken("PONTE_API_PORT"),
    ),
    "api, an address of another machine": Mistake(
        SERVES,
        FAILED,
        r"port \d+ on 192.0.2.1 can't be had: .*",
        "set PONTE_API_HOST",
        set_to(PONTE_API_HOST="192.0.2.1"),
    ),
    "api, the metrics' port is taken": Mistake(
        SERVES,
        FAILED,
        rf"port \d+ on {HOST} can't be had: address already in use",
        "set PONTE_API_METRICS_PORT",
        port_taken("PONTE_API_METRICS_PORT"),
    ),
    "api, the originals' folder is a file": Mistake(
        SERVES,
        FAILED,
        r"\S+/file: file exists",
        "name a folder, not a file",
        both(set_to(PONTE_API_SGP_URL="http://sgp"), own_file("PONTE_API_ORIGINALS_DIR")),
    ),
}
INGEST: Table = {
    "ingest, nothing is set": Mistake(
        SERVES,
        USAGE,
        f"{WRONG}PONTE_INGEST_KEY: value error, field required, or the DSN of the push.*",
        "as files in PONTE_SECRETS_DIR",
        unset("PONTE_INGEST_KEY", "PONTE_INGEST_MEDIA_DIR"),
    ),
    "ingest, a folder that is not absolute": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_INGEST_MEDIA_DIR: .*not an absolute path",
        "set them",
        set_to(PONTE_INGEST_MEDIA_DIR="miniaturas"),
    ),
    "ingest, a folder that is a file": Mistake(
        SERVES,
        FAILED,
        r"\S+/file/.incoming: not a directory",
        "name a folder, not a file",
        own_file("PONTE_INGEST_MEDIA_DIR"),
    ),
    "ingest, the port is taken": Mistake(
        SERVES,
        FAILED,
        rf"port \d+ on {HOST} can't be had: address already in use",
        "set PONTE_INGEST_PORT",
        port_taken("PONTE_INGEST_PORT"),
    ),
}
WORKER: Table = {
    "worker, nothing is set": Mistake(
        SERVES,
        USAGE,
        f"{WRONG}PONTE_WORKER_SGP_DSN: value error, needed unless PONTE_SGP_FILE is set, and not with it.*",
        "as files in PONTE_SECRETS_DIR",
        undo(lambda stage: [stage.env.pop(name) for name in list(stage.env) if name.startswith("PONTE_")]),
    ),
    "worker, an unknown storage": Mistake(
        SERVES,
        USAGE,
        "settings are missing or wrong: PONTE_WORKER_STORAGE: .*",
        "set them",
        set_to(PONTE_WORKER_STORAGE="ftp"),
    ),
    "worker, a bucket without a key": Mistake(
        SERVES, USAGE, f"{WRONG}needed with storage 's3'.*", "set them", set_to(PONTE_WORKER_STORAGE="s3")
    ),
    "worker, miniaturas among SGP's photos": Mistake(
        SERVES,
        USAGE,
        f"{WRONG}PONTE_WORKER_STORAGE_DIR: .*it may not lie in the folder of SGP's photos.*",
        "set them",
        set_to(PONTE_WORKER_STORAGE_DIR="/photos/small"),
    ),
    "worker, an unknown command": Mistake(
        ("reconsile",), USAGE, "python -m thumbnail_worker: argument COMMAND: invalid choice.*", "--help"
    ),
    "worker reconcile, seconds that are none": Mistake(
        ("reconcile", "--grace", "uma hora"), USAGE, ".*argument --grace: invalid float value.*", "--help"
    ),
    "worker, the metrics' port is taken": Mistake(
        SERVES,
        FAILED,
        rf"port \d+ on {HOST} can't be had: address already in use",
        "set PONTE_WORKER_METRICS_PORT",
        port_taken("PONTE_WORKER_METRICS_PORT"),
    ),
    "worker status, the server is down": Mistake(
        ("status",),
        FAILED,
        f"vitrine can't be reached: nobody listens at {HOST}:1",
        "correct host and port in PONTE_WORKER_VITRINE_DSN",
    ),
    "worker reconcile, the photos' folder is away": Mistake(
        ("reconcile",), FAILED, "the folder of the photos .*", "PONTE_WORKER_MEDIA_ROOT"
    ),
}
DEVSTACK: Table = {
    "dev stack, a folder that is not there": Mistake(
        ("up",),
        FAILED,
        "PONTE_DEV_ROOT names /nowhere, which is no folder",
        "unset PONTE_DEV_ROOT",
        set_to(PONTE_DEV_ROOT="/nowhere"),
    ),
    "dev stack, ports that are none": Mistake(
        ("status",), FAILED, "PONTE_DEV_PORT_BASE is '80'", "1024 to 65500", set_to(PONTE_DEV_PORT_BASE="80")
    ),
    "dev stack, no PostgreSQL there": Mistake(
        ("status",), FAILED, ".*/nowhere.*", "PONTE_PG_BINDIR", set_to(PONTE_PG_BINDIR="/nowhere")
    ),
    "dev stack, nothing runs": Mistake(
        ("link", "cut"), FAILED, "no dev stack is running here", "devstack up"
    ),
    "dev stack, an unknown way to break": Mistake(
        ("link", "snap"),
        USAGE,
        "devstack link: argument mode: invalid choice: 'snap'.*",
        "devstack link --help",
    ),
    "dev stack, a state that can't be read": Mistake(
        ("down",), FAILED, r"\S+/stack.json cannot be understood", "down --wipe", undo(broken_state)
    ),
}

TABLE: Table = API | INGEST | WORKER | DEVSTACK


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A service takes the whole process's log for itself."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def environment(program: str, folder: Path) -> dict[str, str]:
    """Return what is set when all is well, but for the databases, which are not there."""
    match program:
        case "api":
            return api_environment(NOWHERE, find_free_port())
        case "ingest":
            ours = {"KEY": KEY, "MEDIA_DIR": str(folder / "miniaturas"), "PORT": str(find_free_port())}
            return bare_environment() | {f"PONTE_INGEST_{name}": value for name, value in ours.items()}
        case "worker":
            ours = {"SGP_DSN": NOWHERE, "VITRINE_DSN": NOWHERE, "MEDIA_ROOT": "/photos"}
            ours |= {"STORAGE": "filesystem", "STORAGE_DIR": str(folder / "miniaturas")}
            named = {f"PONTE_WORKER_{name}": value for name, value in ours.items()}
            return bare_environment() | named | {"PONTE_CREDENTIAL_KEY": KEY}
        case _:
            return bare_environment() | {"PONTE_DEV_ROOT": str(folder)}


def check(
    program: str,
    main: Callable[[Sequence[str]], int],
    mistake: Mistake,
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage.env = environment(program, stage.folder)
    with mistake.make(stage):
        code = run_here(main, stage, mistake.argv)
    said = capsys.readouterr()
    check_told(mistake, said.err)
    assert (code, said.out) == (mistake.code, "")
    assert not (stage.folder / "miniaturas").exists() or program == "ingest"


@rows(API)
def test_the_api_says_why_it_does_not_start(
    mistake: Mistake, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    check("api", run_api, mistake, bare_stage, capsys)


@rows(INGEST)
def test_the_ingest_says_why_it_does_not_start(
    mistake: Mistake, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    check("ingest", run_ingest, mistake, bare_stage, capsys)


@rows(WORKER)
def test_the_worker_says_why_it_does_not_work(
    mistake: Mistake, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    check("worker", run_worker, mistake, bare_stage, capsys)


@rows(DEVSTACK)
def test_the_dev_stack_says_what_is_wrong(
    mistake: Mistake, bare_stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    check("dev stack", run_devstack, mistake, bare_stage, capsys)
