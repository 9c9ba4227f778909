"""The `ponte` command as its users run it: environment in, text and exit code out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from publications.cli import main
from publications.declare.declaration import STARTING_PATH
from publications.settings import conninfo_variable, dsn_variable, password_variable
from tests.fix_road import Road


@pytest.fixture
def environment(unapplied_road: Road, monkeypatch: pytest.MonkeyPatch) -> Road:
    settings = unapplied_road.settings
    for name, dsn in settings.dsns.items():
        monkeypatch.setenv(dsn_variable(name), dsn.get_secret_value())
    for name, conninfo in settings.conninfos.items():
        monkeypatch.setenv(conninfo_variable(name), make_conninfo("", **conninfo))
    for (endpoint, role), password in settings.passwords.items():
        monkeypatch.setenv(password_variable(endpoint, role), password.get_secret_value())
    return unapplied_road


def test_plan_apply_plan(environment: Road, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 3
    assert "create subscription sub_vps" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert main(["apply"]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("in sync: nothing to do\n")
    assert "create subscription sub_vps" in said.err
    assert main(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["in_sync"] is True
    environment.run("sgp", "ALTER TABLE pedidos ADD COLUMN cpf varchar")
    assert main(["plan"]) == 3
    assert "found: sgp's column public.pedidos.cpf is not classified" in capsys.readouterr().err
    environment.run("sgp", "ALTER TABLE pedidos REPLICA IDENTITY FULL")
    assert main(["plan"]) == 1
    said = capsys.readouterr()
    assert re.search(r"^refused: .*\nHINT: ", said.err, re.MULTILINE)
    assert main(["apply"]) == 1
    assert main(["migrate-helper", "release", "pedidos.nothing"]) == 1
    assert "is not published" in capsys.readouterr().err


def test_a_missing_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(os.environ):
        if name.startswith("PONTE_"):
            monkeypatch.delenv(name)
    assert main(["plan", "--declaration", str(STARTING_PATH)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "PONTE_SGP_DSN" in said.err
    assert "HINT: " in said.err
    assert "Traceback" not in said.err


def test_a_database_that_is_down_is_named(
    environment: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_VPS_DSN", "host=127.0.0.1 port=1 dbname=vps user=x")
    for command, code in (("plan", 3), ("apply", 1)):
        assert main([command]) == code
        said = capsys.readouterr().err
        assert "vps can't be reached: nobody listens at 127.0.0.1:1" in said
        assert "correct host and port in PONTE_VPS_DSN" in said


def test_a_password_in_a_conninfo_is_refused(
    environment: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_SUB_VPS_CONNINFO", "host=127.0.0.1 password=hunter2")
    assert main(["plan"]) == 2
    said = capsys.readouterr().err
    assert "PONTE_SUB_VPS_CONNINFO holds a password" in said
    assert "hunter2" not in said


def test_the_printed_sql_does_what_apply_does(
    environment: Road, bindirs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand with psql: each part on its endpoint, the roles' passwords typed by hand."""
    assert main(["plan", "--sql"]) == 3
    script = capsys.readouterr().out
    passwords = {role: word.get_secret_value() for (_, role), word in environment.settings.passwords.items()}
    for part in re.split(r"^-- on ", script, flags=re.MULTILINE)[1:]:
        endpoint, _, statements = part.partition("\n")
        typed = re.sub(
            r"^\\password (\w+)$",
            lambda found: f"ALTER ROLE {found[1]} PASSWORD '{passwords[found[1]]}';",
            statements,
            flags=re.MULTILINE,
        )
        run_psql(bindirs[endpoint], environment.settings.dsn(endpoint), typed)
    environment.wait(lambda: main(["plan"]) == 0, "an empty plan")
    environment.wait_arrival()
    environment.wait(
        lambda: environment.digest("vps") == environment.digest("vitrine"), "the same on both ends"
    )


def run_psql(bindir: Path, dsn: str, statements: str) -> None:
    fields = conninfo_to_dict(dsn)
    password = str(fields.pop("password"))
    subprocess.run(
        [bindir / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", make_conninfo("", **fields)],
        input=statements,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PGPASSWORD": password},
    )
