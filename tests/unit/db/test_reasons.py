"""What any error is told as: by its type and SQLSTATE, and nothing that a row held."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import OperationalError

from db.endings import FAILED, INTERRUPTED, PIPE_CLOSED, USAGE, run_program
from db.errors import PonteError, SettingsError
from db.permissions import is_open_for_libpq, is_open_to_all
from db.reach import read_address
from db.reasons import explain, explain_port
from db.unreached import explain_failure, explain_unreached

pytestmark = pytest.mark.unit


def refused(sqlstate: str) -> psycopg.Error:
    return errors.lookup(sqlstate)("maria@exemplo.com.br")


@pytest.mark.parametrize(
    ("sqlstate", "fact", "hint"),
    [
        ("42501", "vps does not allow it", "'ponte apply'"),
        ("42P01", "vps lacks what is asked for", "run 'ponte migrate'"),
        ("42703", "vps lacks what is asked for", "run 'ponte migrate'"),
        ("42883", "vps lacks what is asked for", "run 'ponte migrate'"),
        ("25006", "vps takes no writes", "name the primary in PONTE_X"),
        ("53100", "the disk of vps is full", "'ponte lag'"),
        ("55P03", "somebody holds a lock on vps", "pg_locks"),
        ("57014", "vps took too long", "try again"),
        ("57P01", "vps ended the session", "try again"),
        ("23505", "vps refuses a value: UniqueViolation, SQLSTATE 23505", "log"),
        ("22021", "vps refuses a value: CharacterNotInRepertoire, SQLSTATE 22021", "log"),
        ("XX000", "vps refuses a statement:  (SQLSTATE XX000)", "log"),
    ],
)
def test_a_statement_that_is_refused_is_told_by_its_sqlstate(sqlstate: str, fact: str, hint: str) -> None:
    told = explain(refused(sqlstate), name="vps", source="PONTE_X")
    assert told.fact.startswith(fact)
    assert hint in told.hint
    assert "maria" not in str(told)


def test_sqlalchemys_wrapping_hides_nothing() -> None:
    wrapped = OperationalError("SELECT 1", {}, refused("53100"))
    assert explain(wrapped, name="vps").fact == "the disk of vps is full"
    assert explain_failure(wrapped, "", name="vps", source="X").fact == "the disk of vps is full"


def test_an_error_for_people_stays_as_it_is() -> None:
    error = PonteError("the bucket is gone", "make it")
    assert explain(error) is error


def test_what_nobody_foresaw_is_told_by_kind_and_place_alone() -> None:
    try:
        raise KeyError("maria")
    except KeyError as error:
        told = explain(error)
    assert told.fact.startswith("something unforeseen: KeyError at test_reasons.py:")
    assert "maria" not in str(told)
    assert "-v" in told.hint


@pytest.mark.parametrize(
    ("number", "fact"),
    [
        (errno.ENOSPC, "no space left for /x/y"),
        (errno.EACCES, "/x/y: permission denied"),
        (errno.EROFS, "/x/y: read-only file system"),
        (errno.ENOTDIR, "/x/y: not a directory"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_place(number: int, fact: str) -> None:
    assert explain(OSError(number, os.strerror(number), "/x/y")).fact == fact


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EADDRINUSE, "set PONTE_X_PORT to another one"),
        (errno.EACCES, "set PONTE_X_PORT to one from 1024 on"),
        (errno.EADDRNOTAVAIL, "set PONTE_X_HOST"),
    ],
)
def test_a_port_that_can_t_be_had_is_told_with_its_setting(number: int, hint: str) -> None:
    told = explain_port(OSError(number, os.strerror(number)), "127.0.0.1", 80, source="PONTE_X_")
    assert told.fact == f"port 80 on 127.0.0.1 can't be had: {os.strerror(number).lower()}"
    assert hint in told.hint


def test_silence_is_told_without_asking_again() -> None:
    for error in (errors.ConnectionTimeout("x"), TimeoutError()):
        told = explain_unreached(error, "host=192.0.2.1", name="vps", source="X")
        assert told.fact == "vps can't be reached: 192.0.2.1:5432 does not answer"


def test_what_is_no_postgresql_is_told_and_a_refusal_of_the_network_too() -> None:
    with socket.socket() as bound:  # bound and not listening: refused
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        told = explain_unreached(
            psycopg.OperationalError("?"), f"host=127.0.0.1 port={port}", name="vps", source="PONTE_X"
        )
    assert told.fact == f"vps can't be reached: nobody listens at 127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("conninfo", "shown"),
    [
        ("host=a.example port=5433", "a.example:5433"),
        ("host=a.example,b.example port=1,2", "a.example:1"),
        ("host=a.example hostaddr=192.0.2.1", "192.0.2.1:5432"),
        ("postgresql://x@b.example/y", "b.example:5432"),
        ("host=/run/x", "the socket in /run/x"),
    ],
)
def test_an_address_is_read_as_libpq_reads_it(
    conninfo: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPORT", raising=False)
    assert str(read_address(conninfo)) == shown


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps lists of rights")
@pytest.mark.parametrize(
    ("folder", "mode", "to_all", "for_libpq"),
    [
        (0o755, 0o600, False, False),
        (0o755, 0o640, False, True),
        (0o755, 0o644, True, True),
        (0o700, 0o644, False, True),
    ],
)
def test_who_may_read_a_secret(tmp_path: Path, folder: int, mode: int, to_all: bool, for_libpq: bool) -> None:
    path = tmp_path / "secret"
    path.touch()
    path.chmod(mode)
    tmp_path.chmod(folder)
    assert (is_open_to_all(path), is_open_for_libpq(path)) == (to_all, for_libpq)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError("x is wrong", "set it"), USAGE, "ponte: x is wrong\nHINT: set it\n"),
        (PonteError("it failed", "again"), FAILED, "ponte: it failed\nHINT: again\n"),
        (KeyboardInterrupt(), INTERRUPTED, "ponte: stopped; run the same command again to go on\n"),
        (BrokenPipeError(), PIPE_CLOSED, ""),
    ],
)
def test_a_program_ends_with_a_sentence_and_a_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise error

    assert run_program(run, name="ponte") == code
    assert capsys.readouterr().err == said


def test_whoever_asks_sees_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise ZeroDivisionError

    assert run_program(run, name="ponte", verbose=True) == FAILED
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-2].startswith("ponte: something unforeseen: ZeroDivisionError at ")
