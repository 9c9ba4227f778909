"""`ponte` as operators and their scripts meet it: exit codes, data on stdout, two-line errors on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from publications.cli import main
from publications.declare.declaration import STARTING_PATH
from publications.settings import conninfo_variable, dsn_variable, password_variable
from tests.fix_road import Road, without_roles

IN_SYNC, FAILED, USAGE, PENDING = 0, 1, 2, 3


@pytest.fixture
def environment(unapplied_road: Road, monkeypatch: pytest.MonkeyPatch) -> Road:
    """The road's settings as the command reads them."""
    settings = unapplied_road.settings
    for name, dsn in settings.dsns.items():
        monkeypatch.setenv(dsn_variable(name), dsn.get_secret_value())
    for name, conninfo in settings.conninfos.items():
        monkeypatch.setenv(conninfo_variable(name), make_conninfo("", **conninfo))
    for (endpoint, role), password in settings.passwords.items():
        monkeypatch.setenv(password_variable(endpoint, role), password.get_secret_value())
    return unapplied_road


def read_two_lines(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return the fact and the hint; fail if more was said than what was read, or anything on stdout."""
    said = capsys.readouterr()
    assert said.out == ""
    read, fact, hint = said.err.splitlines()
    assert read == f"declaration: {STARTING_PATH}"
    assert fact.startswith("ponte: ")
    assert hint.startswith("HINT: ")
    return fact, hint


def test_from_nothing_to_in_sync(environment: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == PENDING
    assert "steps; run 'ponte apply' to take them" in capsys.readouterr().out
    assert main(["apply"]) == IN_SYNC
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].endswith("in sync: nothing to do")
    assert "create subscription sub_vps" in said.err
    assert main(["plan"]) == IN_SYNC
    assert capsys.readouterr().out == "in sync: nothing to do\n"
    assert main(["apply"]) == IN_SYNC
    assert capsys.readouterr().out == "applied 0 steps; in sync: nothing to do\n"
    assert main(["plan", "--sql"]) == IN_SYNC
    assert capsys.readouterr().out.strip() == ""
    check_leftover(environment, capsys)


def check_leftover(road: Road, capsys: pytest.CaptureFixture[str]) -> None:
    road.run("sgp", "CREATE PUBLICATION pub_x FOR TABLE pedidos (id)")
    assert main(["plan", "--json"]) == PENDING
    shown = json.loads(capsys.readouterr().out)
    assert shown["in_sync"] is False
    assert [(step["what"], step["drops"]) for step in shown["steps"]] == [("drop publication pub_x", True)]
    assert main(["apply"]) == PENDING
    assert road.run("sgp", "SELECT 1 FROM pg_publication WHERE pubname = 'pub_x'") == [(1,)]
    assert main(["apply", "--allow-drop"]) == IN_SYNC
    assert road.run("sgp", "SELECT 1 FROM pg_publication WHERE pubname = 'pub_x'") == []


def test_the_printed_sql_is_the_same_each_time_and_holds_no_password(
    environment: Road, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = set()
    for _ in range(2):
        assert main(["plan", "--sql"]) == PENDING
        printed.add(capsys.readouterr().out)
    [script] = printed
    assert "CREATE SUBSCRIPTION" in script
    for password in environment.settings.passwords.values():
        assert password.get_secret_value() not in script
    assert "SCRAM-SHA-256" not in script


def test_what_is_secret_is_refused(
    environment: Road, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    declaration = tmp_path / "leaky.toml"
    text = STARTING_PATH.read_text(encoding="utf-8")
    mark = '"is_active"]\n\n[[intake.tables]]'
    assert mark in text
    declaration.write_text(text.replace(mark, mark.replace("]", ', "password_plain"]', 1)), encoding="utf-8")
    for command in (["plan"], ["apply"]):
        assert main(["--declaration", str(declaration), *command]) == FAILED
        assert "column public.user.password_plain is secret" in capsys.readouterr().err
    assert environment.run("sgp", "SELECT 1 FROM pg_publication") == []


def test_a_missing_password_stops_apply_before_it_touches_anything(
    environment: Road, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PONTE_VPS_PONTE_API_PASSWORD")
    with without_roles(environment, [("vps", "ponte_api")]):
        assert main(["apply"]) == FAILED
    fact, _ = read_two_lines(capsys)
    assert "PONTE_VPS_PONTE_API_PASSWORD" in fact
    assert environment.run("sgp", "SELECT 1 FROM pg_publication") == []


@pytest.mark.parametrize("argv", [[], ["plan", "--json", "--sql"], ["nonsense"]])
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == USAGE
    assert capsys.readouterr().out == ""
