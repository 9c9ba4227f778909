"""The installed thing: each extra alone, in an environment without this repository and its tools."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from publications.cli import _parser
from publications.declare.declaration import STARTING_PATH
from tests.fix_wheel import Environments

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

USAGE = 2
STORES = {
    "db.alchemy",
    "db.intranet.landing",
    "db.intranet.models",
    "db.migrate",
    "db.versions",
    "db.vps.models",
    "db.window",
}
"""What of `db` needs SQLAlchemy, and so an extra."""
MODULES = {
    "": {"db"},
    "api": {"db", "vps_readapi"},
    "worker": {"db", "thumbnail_worker"},
    "ops": {"db", "publications"},
    "vitrine": {"db"},
    "devstack": {"db", "publications", "vps_readapi", "thumbnail_worker", "infra"},
}
LEFT_OUT = {
    "api": {"db.migrate", "db.versions"},
    "ops": set[str](),
    "devstack": set[str](),
}
"""What of STORES imports with an extra is all but this; with the others none of it."""
PROGRAMS = {
    "vps_readapi": "api",
    "vps_readapi.ingest": "api",
    "vps_readapi.client": "api",
    "thumbnail_worker": "worker",
    "publications": "ops",
    "infra.devstack": "devstack",
}
ASK_ALL = """
import contextlib, json, sys
from importlib import import_module
main = import_module(sys.argv[1] + ".__main__").main
for argv in json.loads(sys.argv[2]):
    sys.argv = ["", *argv]
    with contextlib.suppress(SystemExit):
        main()
"""
IMPORT_ALL = """
import importlib, json, pkgutil, sys
failed, known = {}, []
for package in sys.argv[1:]:
    package = importlib.import_module(package)
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        known.append(found.name)
        try:
            importlib.import_module(found.name)
        except Exception as error:
            if found.name == "db.job" and sys.platform != "win32":
                continue  # Windows' alone
            failed[found.name] = repr(error)
print(json.dumps([known, failed]))
"""


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A folder that is nobody's."""
    return tmp_path


def read_two_lines(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Return the fact and the hint; fail if anything else was said."""
    assert done.stdout == ""
    fact, hint = done.stderr.splitlines()
    assert hint.startswith("HINT: ")
    return fact, hint


def test_each_extra_is_installed_by_some_test(environments: Environments) -> None:
    assert set(environments) == set(MODULES)


@pytest.mark.parametrize("extra", MODULES)
def test_every_module_of_an_extra_is_imported_with_what_it_declares(
    environments: Environments, extra: str, away: Path
) -> None:
    done = environments[extra].run("python", "-c", IMPORT_ALL, *sorted(MODULES[extra]), cwd=away)
    assert done.returncode == 0, done.stderr
    known, failed = json.loads(done.stdout)
    assert set(failed) == LEFT_OUT.get(extra, STORES), failed
    assert len(known) > 10


# ---------------------------------------------------------------- without what they need


@pytest.mark.parametrize(("module", "extra"), PROGRAMS.items())
def test_a_program_without_its_extra_says_which_to_install(
    environments: Environments, module: str, extra: str, away: Path
) -> None:
    for other in ("", "worker" if extra == "api" else "api"):
        done = environments[other].run("python", "-m", module, "--help", cwd=away)
        assert done.returncode == USAGE, done.stderr
        fact, hint = read_two_lines(done)
        assert re.fullmatch(r"the Python package '\w+' is not installed", fact)
        assert hint == f"HINT: pip install 'sgp-ponte[{extra}]'"


def test_what_makes_a_vps_needs_no_extra(environments: Environments, away: Path) -> None:
    done = environments[""].run("python", "-m", "publications.install", "--help", cwd=away)
    assert done.returncode == 0, done.stderr


def test_a_command_that_needs_more_than_another_extra_brings_says_so_too(
    environments: Environments, away: Path
) -> None:
    done = environments["worker"].run("ponte", "plan", cwd=away)
    assert done.returncode == USAGE
    fact, hint = read_two_lines(done)
    assert fact == "the Python package 'alembic' is not installed"
    assert hint == "HINT: pip install 'sgp-ponte[ops]'"


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("vps_readapi", "PONTE_API_DSN"),
        ("vps_readapi.ingest", "PONTE_INGEST_KEY"),
        ("thumbnail_worker", "PONTE_WORKER_SGP_DSN"),
    ],
)
def test_a_service_without_settings_asks_for_them(
    environments: Environments, module: str, variable: str, away: Path
) -> None:
    done = environments[PROGRAMS[module]].run("python", "-m", module, cwd=away)
    assert done.returncode == USAGE
    assert variable in read_two_lines(done)[0]


# ---------------------------------------------------------------- commands


def list_commands(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield each command of a parser, its steps too."""
    yield before
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from list_commands(one, (*before, name))


@pytest.mark.parametrize(
    ("extra", "module", "commands"),
    [
        ("ops", "publications", [*list_commands(_parser())]),
        ("worker", "thumbnail_worker", [(), ("backfill",), ("status",), ("reconcile",)]),
        ("devstack", "infra.devstack", [(), ("up",), ("down",), ("status",), ("link",), ("demo",)]),
    ],
)
def test_every_command_has_its_help(
    environments: Environments, extra: str, module: str, commands: list[tuple[str, ...]], away: Path
) -> None:
    asked = json.dumps([[*command, "--help"] for command in commands])
    done = environments[extra].run("python", "-c", ASK_ALL, module, asked, cwd=away)
    assert (done.returncode, done.stderr) == (0, "")
    usages = re.findall(r"^usage: (.+?)(?: \[|$)", done.stdout, re.MULTILINE)
    assert len(usages) == len(commands)
    for usage, command in zip(usages, commands, strict=True):
        assert usage.endswith(" ".join(command))


def test_the_command_is_installed_under_its_name(environments: Environments, away: Path) -> None:
    done = environments["ops"].run("ponte", "--help", cwd=away)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ponte ")


def test_commands_that_need_no_server_answer(environments: Environments, away: Path) -> None:
    ops = environments["ops"]
    done = ops.run("ponte", "declaration", "--starting", cwd=away)
    assert done.stdout == STARTING_PATH.read_text(encoding="utf-8")
    done = ops.run("ponte", "schema", cwd=away)
    assert json.loads(done.stdout)["title"] == "Declaration"
    done = ops.run("ponte", "migrate", "--sql", cwd=away)
    assert "CREATE TABLE vitrine.pedidos" in done.stdout
    done = ops.run("ponte", "plan", cwd=away)
    assert done.returncode == USAGE
    assert "no declaration is given" in read_two_lines(done)[0]


def test_every_rules_alert_is_explained(environments: Environments, away: Path) -> None:
    ops = environments["ops"]
    rules = (ops.site / "infra/prometheus/alerts.yml").read_text(encoding="utf-8")
    commands = re.findall(r"runbook: ponte explain (\w+)$", rules, re.MULTILINE)
    assert len(commands) == rules.count("- alert: ")
    run_all = (
        "import sys; from publications.cli import main; [main(['explain', one]) for one in sys.argv[1:]]"
    )
    done = ops.run("python", "-c", run_all, *commands, cwd=away)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^## (\w+)$", done.stdout, re.MULTILINE) == commands


def test_the_files_that_an_installation_takes_over_are_named(environments: Environments, away: Path) -> None:
    base = environments[""]
    done = base.run("python", "-m", "infra", cwd=away)
    paths = [Path(line.split("  ")[0]) for line in done.stdout.splitlines()]
    assert {path.name for path in paths} >= {"alerts.yml", "ponte.json", "ponte-api.service", "worker.md"}
    assert [path for path in paths if not path.is_relative_to(base.folder) or not path.is_file()] == []
