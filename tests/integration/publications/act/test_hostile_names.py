"""Names that somebody chose so that psql, which runs what a plan prints, would run more than that."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from db.shown import CONTROL
from infra.devstack.postgres import executable
from publications.commands.plan_text import to_script
from publications.decide.changes.publications import DropPublication, DropSlot
from publications.decide.changes.roles import DropRole, RevokeGrants
from publications.decide.changes.subscriptions import DropOrigin, DropSubscription
from publications.decide.plan import Plan
from publications.decide.spec import GrantKind, GrantSpec, SlotSpec
from tests.fix_clusters import Servers

CANARY = "canary"
RUN = f"\\! touch {CANARY}"
HOSTILE = [
    f"a\n{RUN}\n",
    f"a\r\n{RUN}",
    f"a\r{RUN}",
    f'"; {RUN}\n',
    f"'; {RUN}\n",
    f"$wait$; {RUN}",
    f"$$\n{RUN}",
    f"*/\n{RUN}\n/*",
    f"`touch {CANARY}`",
    f":`touch {CANARY}`",
    f"\\gexec {RUN}",
    f"a\u2028{RUN}",
    f"a\x1b]0;owned\x07{RUN}",
    f"\\\n{RUN}",
    f"\\copy (SELECT 1) TO PROGRAM 'touch {CANARY}'",
    "\u202egpj.exe",
]
PIECES = [
    *(
        "\n",
        "\r",
        "\x1b[2J",
        "\x07",
        "'",
        '"',
        "\\",
        "$",
        "$$",
        "`",
        ";",
        "--",
        "/*",
        ":",
        "\u202e",
        "é",
        "a",
    ),
    *(f"\n{RUN}\n", f" {RUN}"),
]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join).map(lambda name: name[:60])


@pytest.fixture
def psql(servers: Servers, bindirs: dict[str, Path], tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Runs a script as an operator would, in a folder of its own; what psql says comes back."""
    program = executable(bindirs["vps"], "psql")

    def run(script: str) -> str:
        conninfo = servers.clusters["vps"].conninfo("vps")
        ran = subprocess.run(
            [program, "--no-psqlrc", "--dbname", conninfo],
            input=script.encode(),
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert not list(tmp_path.iterdir()), script
        return (ran.stdout + ran.stderr).decode()

    with servers.clone("vps"):
        yield run


def script_of(name: str) -> str:
    """Return what is printed where a server holds the name in every place that a plan may touch."""
    grant = GrantSpec("ponte_api", GrantKind.TABLE, f"vitrine.{name}", "select")
    steps = (
        DropPublication("vps", name),
        DropRole("vps", name),
        RevokeGrants("vps", (grant,)),
        RevokeGrants("vps", (GrantSpec(name, GrantKind.SCHEMA, name, "usage"),)),
        DropOrigin("vps", name),
        DropSubscription("vps", name),
        DropSlot("vps", SlotSpec(name, "pgoutput")),
    )
    return to_script(Plan(steps))


def refuse_commands(script: str) -> None:
    """Nothing in it moves a cursor, and each comment is one line."""
    assert not [one for one in CONTROL.findall(script) if one != "\n"]
    assert script.count("\n") == len(script.splitlines()) - 1
    assert RUN not in "".join(line.partition("'")[0] for line in script.splitlines() if line[:1] == "\\")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXTS)
@example(name="".join(HOSTILE)[:60])
def test_psql_runs_nothing_that_a_name_says(psql: Callable[[str], str], name: str) -> None:
    script = script_of(name)
    refuse_commands(script)
    psql(script)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_dropped_by_what_is_printed(
    psql: Callable[[str], str], servers: Servers, name: str
) -> None:
    with servers.connect("vps") as conn:
        conn.execute(sql.SQL("CREATE PUBLICATION {}").format(sql.Identifier(name)))
        script = to_script(Plan((DropPublication("vps", name),)))
        refuse_commands(script)
        said = psql(script)
        left = conn.execute("SELECT count(*) FROM pg_publication WHERE pubname = %s", [name]).fetchone()
    assert (said.strip(), left) == ("DROP PUBLICATION", (0,))
