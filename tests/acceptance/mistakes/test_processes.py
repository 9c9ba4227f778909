"""Mistakes around a program: its output, its terminal, its secrets' form, Ctrl-C; services that lose."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from psycopg import sql

from db.waiting import wait_until
from infra.devstack.clusters import HOST
from publications.cli import main
from tests.fix_api import api_environment
from tests.fix_mistakes import (
    INTERRUPTED,
    OK,
    PENDING,
    PIPE_CLOSED,
    Stage,
    bare_environment,
    drop_declaration,
    run_here,
)
from tests.ports import find_free_port
from thumbnail_worker.errors import StorageError
from thumbnail_worker.storage.vps import VpsStorage

DEADLINE_S = 60.0
Lines = Sequence[dict[str, object]]
PONTE = "publications.cli"


def start(stage: Stage, module: str, *argv: str, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *argv], env=stage.env, stdout=stdout, stderr=stderr
    )


@pytest.mark.parametrize(
    "argv",
    [("schema",), ("plan",), ("plan", "--sql"), ("migrate", "--sql"), ("status", "--json"), ("status",)],
    ids=" ".join,
)
def test_whoever_reads_no_further_ends_a_command_quietly(stage: Stage, argv: tuple[str, ...]) -> None:
    """As `ponte … | head -c 0`: the pipe is closed before the first letter."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(stage, PONTE, *argv, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    _, said = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, drop_declaration(said.decode())) == (PIPE_CLOSED, "")


@pytest.mark.parametrize("argv", [("schema",), ("plan", "--sql"), ("migrate", "--sql")], ids=" ".join)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told(stage: Stage, argv: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(stage, PONTE, *argv, stdout=full.fileno(), stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=DEADLINE_S)
    fact, hint = drop_declaration(said.decode()).splitlines()
    assert (process.returncode, fact) == (1, "ponte: no space left for what is written")
    assert hint == "HINT: free some, or write to another disk"


def test_talk_that_nobody_hears_keeps_no_work_from_being_done(stage: Stage) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(stage, PONTE, "migrate", stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (OK, b"")


def test_a_terminal_that_lacks_letters_gets_others(stage: Stage) -> None:
    stage.env["PYTHONIOENCODING"] = "ascii"
    stage.set_dsn("vps", dbname="vitrína")
    process = start(stage, PONTE, "apply", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, said = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (1, b"")
    assert rb"has no database vitr\xedna" in said
    assert len(drop_declaration(said.decode()).splitlines()) == 2


def test_ctrl_c_ends_a_command_with_a_word(stage: Stage) -> None:
    with socket.create_server((HOST, find_free_port())) as silent:
        stage.set_dsn("sgp", port=silent.getsockname()[1])
        # A terminal does not ignore Ctrl-C, whatever runs these tests does.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            process = start(stage, PONTE, "apply", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        finally:
            signal.signal(signal.SIGINT, before)
        client, _ = silent.accept()
        with client:
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (INTERRUPTED, b"")
    assert drop_declaration(said.decode()) == "ponte: stopped; run the same command again to go on\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["a line's end", "a line's end of Windows", "no end"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
def test_a_secret_may_be_written_by_any_editor(
    stage: Stage, end: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stage.keep_secrets()
    for path in folder.iterdir():
        path.write_bytes((mark + path.read_text().rstrip("\n") + end).encode())
    assert run_here(main, stage, ("plan",)) == PENDING
    assert "steps; run 'ponte apply'" in capsys.readouterr().out


def test_a_blank_at_a_secrets_end_belongs_to_it(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Only one end of a line is taken away: a password may end with a blank."""
    with stage.open("vps") as conn:
        statement = sql.SQL("CREATE ROLE blank SUPERUSER LOGIN PASSWORD {}")
        conn.execute(statement.format("ends with a blank "))
        stage.env["PONTE_VPS_DSN"] = "PLACE"
        folder = stage.keep_secrets()
        dsn = stage.dsn("vps", user="blank", password=None)
        (folder / "ponte_vps_dsn").write_text(f"{dsn} password='ends with a blank '\n")
        try:
            assert run_here(main, stage, ("plan",)) == PENDING
        finally:
            conn.execute("DROP ROLE blank")


@contextmanager
def running(env: dict[str, str], log: Path, *argv: str) -> Iterator[Callable[[], Lines]]:
    """Have a service for a block; give what it has logged so far."""
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", *argv], env=env, stdout=file, stderr=file)

        def read() -> Lines:
            return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

        try:
            yield read
            process.terminate()
            assert process.wait(DEADLINE_S) == OK
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def count_refused(stage: Stage, role: str) -> int:
    assert stage.road is not None
    log = stage.road.servers.clusters["vps"].log_file.read_text(errors="replace")
    return log.count(f'password authentication failed for user "{role}"')


def test_the_api_says_once_why_it_has_no_database_and_when_it_is_back(stage: Stage) -> None:
    """The trial: a wrong password was told 23 times in five seconds, and never why."""
    with stage.open("vps") as conn:
        conn.execute("CREATE ROLE forgotten SUPERUSER LOGIN PASSWORD 'new'")
        try:
            env = api_environment(stage.dsn("vps"), find_free_port())
            for name in ("PONTE_API_DSN", "PONTE_API_AUTH_DSN"):
                env[name] = stage.dsn("vps", user="forgotten", password="old")
            with running(env, stage.folder / "api.log", "vps_readapi") as read:
                assert wait_until(lambda: count_refused(stage, "forgotten") > 6, DEADLINE_S)
                assert wait_until(lambda: len(told(read(), "database_lost")) > 1, DEADLINE_S)
                conn.execute("ALTER ROLE forgotten PASSWORD 'old'")
                assert wait_until(lambda: bool(told(read(), "database_back")), DEADLINE_S)
                lines = told(read(), "database_lost")
        finally:
            conn.execute("DROP ROLE forgotten")
    assert sorted(str(line["connection"]) for line in lines) == ["feed", "logins"]
    for line in lines:
        assert "refuses role forgotten with this password" in str(line["fact"])
        variable = "PONTE_API_DSN" if line["connection"] == "feed" else "PONTE_API_AUTH_DSN"
        assert str(line["hint"]).startswith(f"correct user and password in {variable}")


def test_the_worker_says_once_for_each_job_why_it_has_no_database(stage: Stage) -> None:
    env = bare_environment() | {
        "PONTE_WORKER_SGP_DSN": stage.dsn("vps", user="nobody"),
        "PONTE_WORKER_VITRINE_DSN": stage.dsn("vps", user="nobody"),
        "PONTE_WORKER_MEDIA_ROOT": str(stage.folder),
        "PONTE_WORKER_STORAGE": "vps",
        "PONTE_WORKER_VPS_URL": "http://127.0.0.1:1",
        "PONTE_INGEST_KEY": "k" * 40,
        "PONTE_CREDENTIAL_KEY": "k" * 40,
    }
    with running(env, stage.folder / "worker.log", "thumbnail_worker") as read:
        assert wait_until(lambda: count_refused(stage, "nobody") > 30, DEADLINE_S)
        lines = told(read(), "job_failed")
    jobs = [line["job"] for line in lines]
    assert sorted(set(map(str, jobs))) == sorted(map(str, jobs))
    assert len(jobs) > 4
    assert all("refuses role nobody" in str(line["fact"]) for line in lines)
    assert all("in PONTE_WORKER_" in str(line["hint"]) for line in lines)


def test_the_ingest_says_once_that_its_folder_is_lost_and_when_it_is_back(bare_stage: Stage) -> None:
    folder, away, port = bare_stage.folder / "miniaturas", bare_stage.folder / "away", find_free_port()
    env = bare_stage.env | {
        "PONTE_INGEST_KEY": "k" * 40,
        "PONTE_INGEST_MEDIA_DIR": str(folder),
        "PONTE_INGEST_PORT": str(port),
    }
    with running(env, bare_stage.folder / "ingest.log", "vps_readapi.ingest") as read:
        with closing(VpsStorage(f"http://{HOST}:{port}", key=b"k" * 40)) as storage:
            assert wait_until(lambda: can_put(storage), DEADLINE_S)
            folder.rename(away)
            folder.touch()
            assert not any(can_put(storage) for _ in range(5))
            folder.unlink()
            away.rename(folder)
            assert can_put(storage)
        with closing(VpsStorage(f"http://{HOST}:{port}", key=b"j" * 40)) as stranger:
            assert not any(can_put(stranger) for _ in range(5))
        lines = read()
    [lost], [_], [refused] = (told(lines, name) for name in ("folder_lost", "folder_back", "request_refused"))
    assert str(lost["fact"]).endswith("not a directory")
    assert (lost["hint"], refused["fact"]) == ("name a folder, not a file", "a request is not by this key")
    assert "PONTE_INGEST_KEY" in str(refused["hint"])


def can_put(storage: VpsStorage) -> bool:
    try:
        storage.put("7/a-w1-640.webp", b"webp")
    except StorageError:
        return False
    return True


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]
