"""A DBA who trusts no command: `ponte plan --sql`, read, and run part by part with psql."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from infra.devstack.postgres import executable
from publications.commands.plan_text import to_script
from publications.decide.plan import Plan
from tests.fix_road import ROLE_PASSWORD, Road, without_roles

FILLED = "ponte: old rows are to be filled from the source"
T = TypeVar("T")
PART = re.compile(r"^-- on (\w+)$", re.MULTILINE)
TIMEOUT_S = 50


def test_the_printed_sql_run_by_hand_leaves_nothing_to_do(
    unapplied_road: Road, bindirs: dict[str, Path], tmp_path: Path
) -> None:
    road = unapplied_road
    with without_roles(road, road.settings.passwords):  # else there would be no password to type
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


def test_a_fill_by_hand_does_what_apply_would(road: Road, bindirs: dict[str, Path], tmp_path: Path) -> None:
    road.run("vitrine", f"COMMENT ON COLUMN public.pedidos.observacao IS '{FILLED}'")
    with road.connect("vitrine") as conn, conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("UPDATE public.pedidos SET observacao = 'estragada' WHERE id = 3")
    [step] = road.read().plan.steps
    file = tmp_path / "fill.sql"
    file.write_text(to_script(Plan((step,))), encoding="utf-8")
    with start_psql(road, bindirs["vitrine"], "vitrine", file) as by_hand:
        asked = answer(by_hand, "ask on sgp until it says t: ", lambda said: road.run("sgp", said))
        assert asked == [(True,)]
        answer(by_hand, "now on sgp: ", lambda said: copy_out(road, bindirs["sgp"], said, tmp_path))
        assert by_hand.wait(TIMEOUT_S) == 0
    assert road.read().plan.steps == ()
    query = "SELECT observacao FROM public.pedidos WHERE id = 3"
    assert road.run("vitrine", query) == road.run("sgp", query)


def start_psql(road: Road, bindir: Path, endpoint: str, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            executable(bindir, "psql"),
            road.servers.clusters[endpoint].conninfo(endpoint),
            *("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", file),
        ],
        cwd=file.parent,
        env={**os.environ, "PGCLIENTENCODING": "utf8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def answer(psql: subprocess.Popen[str], asked: str, do: Callable[[str], T]) -> T:
    """Read up to what is asked for, do it, and press Enter."""
    assert psql.stdin is not None
    assert psql.stdout is not None
    line = next(line for line in psql.stdout if asked in line)
    done = do(line.partition(asked)[2].strip())
    psql.stdin.write("\n")
    psql.stdin.flush()
    return done


def copy_out(road: Road, bindir: Path, command: str, folder: Path) -> None:
    program = executable(bindir, "psql")
    subprocess.run(
        [
            program,
            road.servers.clusters["sgp"].conninfo("sgp"),
            "--no-psqlrc",
            "--quiet",
            "--command",
            command,
        ],
        cwd=folder,
        timeout=TIMEOUT_S,
        check=True,
    )


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
