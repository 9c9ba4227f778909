"""A DBA who trusts no command: `ponte plan --sql`, read, and run part by part with psql."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from psycopg import sql

from infra.devstack.postgres import executable
from publications.commands.plan_text import to_script
from tests.fix_road import ROLE_PASSWORD, Road

PART = re.compile(r"^-- on (\w+)$", re.MULTILINE)
TIMEOUT_S = 50


def test_the_printed_sql_run_by_hand_leaves_nothing_to_do(
    unapplied_road: Road, bindirs: dict[str, Path], tmp_path: Path
) -> None:
    road = unapplied_road
    drop_roles(road)
    script = to_script(road.read().plan)
    assert script.count("\\password") == len(road.settings.passwords) - 1
    pieces = PART.split(script)
    assert pieces[0].strip() == ""
    for number, (endpoint, part) in enumerate(zip(pieces[1::2], pieces[2::2], strict=True)):
        file = tmp_path / f"{number}.sql"
        file.write_text(part, encoding="utf-8")
        run_psql(road, bindirs[endpoint], endpoint, file)
    query = "SELECT 1 FROM pg_subscription_rel WHERE srsubstate <> 'r'"
    for name in ("vitrine", "vps"):
        road.wait(lambda name=name: road.run(name, query) == [], f"the copies on {name}")  # type: ignore[misc]
    road.wait_arrival()
    assert road.read().plan.steps == ()
    assert road.digest("vps") == road.digest("vitrine")
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos") == road.run(
        "sgp", "SELECT count(*) FROM pedidos"
    )


def drop_roles(road: Road) -> None:
    """Roles are the clusters' and outlive a test: without this there would be no password to type."""
    for endpoint, role in road.settings.passwords:
        with road.connect(endpoint) as conn:
            if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                name = sql.Identifier(role)
                conn.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(name, name))


def run_psql(road: Road, bindir: Path, endpoint: str, file: Path) -> None:
    """Run one part; the passwords that it asks for are typed in, each twice."""
    done = subprocess.run(
        [
            executable(bindir, "psql"),
            road.servers.clusters[endpoint].conninfo(endpoint),
            *("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file),
        ],
        input=f"{ROLE_PASSWORD}\n" * 2 * file.read_text(encoding="utf-8").count("\\password"),
        env={**os.environ, "PGCLIENTENCODING": "utf8"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
