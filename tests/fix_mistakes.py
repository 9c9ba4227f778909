"""A stage for the mistakes of operators: what they set, run and see, and what is left when it went wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.engines import Connection
from infra.devstack.clusters import HOST
from publications.declare.declaration import STARTING_PATH, VARIABLE
from publications.settings import conninfo_variable, dsn_variable, password_variable, watch_variable
from tests.fix_clusters import NAMES, PASSWORD, Servers, clone_all
from tests.fix_road import ROLE_PASSWORD, Road, open_road

OK, FAILED, USAGE, PENDING, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141
LEFT = (
    "SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()"
    " UNION ALL SELECT 'publication ' || pubname FROM pg_publication"
    " UNION ALL SELECT 'subscription ' || subname FROM pg_subscription WHERE subdbid ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
    " UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
)
"""All that a command that went wrong must not have made."""


@dataclass
class Stage:
    """What one operator has set, and a folder of his own."""

    env: dict[str, str]
    folder: Path
    road: Road | None = None

    def dsn(self, name: str, **changes: str | int | None) -> str:
        """Return an administrator's connection string, with other keywords."""
        assert self.road is not None
        given: dict[str, str | int | None] = {**conninfo_to_dict(self.road.settings.dsn(name)), **changes}
        return make_conninfo("", **{key: value for key, value in given.items() if value is not None})

    def set_dsn(self, name: str, **changes: str | int | None) -> None:
        """Give `ponte` another connection string."""
        self.env[dsn_variable(name)] = self.dsn(name, **changes)

    def run_sql(self, name: str, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as a superuser."""
        assert self.road is not None
        return self.road.run(name, statement)

    def open(self, name: str) -> Connection:
        """Open a superuser's session."""
        assert self.road is not None
        return self.road.connect(name)

    def list_left(self) -> dict[str, list[object]]:
        """Return what stands on each server."""
        return {name: [row[0] for row in self.run_sql(name, LEFT)] for name in NAMES if self.road}

    def keep_secrets(self) -> Path:
        """Move all that is set into a folder of files."""
        folder = self.folder / "secrets"
        folder.mkdir()
        folder.chmod(0o755)
        for name in [name for name in self.env if name.startswith("PONTE_") and name != VARIABLE]:
            path = folder / name.lower()
            path.write_text(self.env.pop(name) + "\n")
            path.chmod(0o600)
        self.env["PONTE_SECRETS_DIR"] = str(folder)
        return folder


Make = Callable[[Stage], AbstractContextManager[object]]


@dataclass(frozen=True)
class Mistake:
    """Something that an operator does wrong, and what he is told."""

    argv: tuple[str, ...]
    code: int
    fact: str
    """A pattern of the whole fact."""
    hint: str
    """Words of the hint."""
    make: Make = field(default=lambda _: nullcontext())


Table = dict[str, Mistake]


def rows(table: Table) -> pytest.MarkDecorator:
    """Run a test for each mistake of a table, under its name."""
    return pytest.mark.parametrize("mistake", [pytest.param(one, id=name) for name, one in table.items()])


def undo(change: Callable[[Stage], object]) -> Make:
    """Have a mistake that is only in what is set or in the operator's folder: it ends with the test."""

    @contextmanager
    def made(stage: Stage) -> Iterator[None]:
        change(stage)
        yield

    return made


def set_to(**variables: str) -> Make:
    """Set variables."""
    return undo(lambda stage: stage.env.update(variables))


def unset(*names: str) -> Make:
    """Take variables away."""
    return undo(lambda stage: [stage.env.pop(name) for name in names])


def in_sql(name: str, statement: str, after: str) -> Make:
    """Change something on a server, and change it back."""

    @contextmanager
    def made(stage: Stage) -> Iterator[None]:
        stage.run_sql(name, statement)
        try:
            yield
        finally:
            stage.run_sql(name, after)

    return made


def both(*makes: Make) -> Make:
    """Make several mistakes at once."""

    @contextmanager
    def made(stage: Stage) -> Iterator[None]:
        with makes[0](stage):
            if len(makes) == 1:
                yield
            else:
                with both(*makes[1:])(stage):
                    yield

    return made


def check_told(mistake: Mistake, said: str, *, program: str = "") -> None:
    """Compare what stands on stderr: the fact in lower case, the hint, and not a line more."""
    assert "Traceback" not in said, said
    lines = drop_declaration(said).splitlines()
    assert len(lines) == 2, said
    fact, hint = lines
    assert fact.startswith(program), fact
    fact = fact.removeprefix(program)
    assert re.fullmatch(mistake.fact, fact), fact
    assert not fact[0].isupper() or fact.startswith("PONTE_"), fact
    assert hint.startswith("HINT: "), hint
    assert mistake.hint in hint, hint
    for secret in (PASSWORD, ROLE_PASSWORD):
        assert secret not in said


def drop_declaration(said: str) -> str:
    """Take away the line that names the declaration's file; only `ponte` writes it, before anything else."""
    return re.sub(r"\Adeclaration: .*\n", "", said)


def run_process(
    stage: Stage, module: str, *argv: str, timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program as its users do."""
    return subprocess.run(
        [sys.executable, "-m", module, *argv],
        env=stage.env,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def let_servers_in(folder: Path) -> None:
    """Have the servers' own user enter a test's folder."""
    for one in (folder, *folder.parents):
        if one == Path(tempfile.gettempdir()):
            return
        one.chmod(0o755)


def bare_environment() -> dict[str, str]:
    """Return ours without anything of Ponte's or libpq's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PONTE_", "PG"))}


def operator_environment(road: Road) -> dict[str, str]:
    """Return what an administrator has set when all is well."""
    settings = road.settings
    env = {dsn_variable(name): settings.dsn(name) for name in NAMES}
    env |= {watch_variable(name): road.settings.dsn(name) for name in NAMES}
    env[VARIABLE] = str(STARTING_PATH)
    for name, conninfo in settings.conninfos.items():
        env[conninfo_variable(name)] = make_conninfo("", **conninfo)
    for (endpoint, role), password in settings.passwords.items():
        env[password_variable(endpoint, role)] = password.get_secret_value()
    return env


def operator_variables() -> dict[str, str]:
    """Return the same for databases that are not there."""
    nowhere = f"host={HOST} port=1 user=x password=x"
    env = {name(endpoint): nowhere for endpoint in NAMES for name in (dsn_variable, watch_variable)}
    env |= {conninfo_variable(name): f"host={HOST}" for name in ("sub_intake", "sub_vps")}
    return env | {VARIABLE: str(STARTING_PATH)}


@contextmanager
def applied_environment(env: dict[str, str]) -> Iterator[None]:
    """Have this process's environment be exactly that one, for a command that runs in it."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_here(main: Callable[[Sequence[str]], int], stage: Stage, argv: Sequence[str]) -> int:
    """Run a program's main in this process; return its exit code, however it ends."""
    with applied_environment(stage.env):
        try:
            return main(argv)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else FAILED


@pytest.fixture(scope="module")
def mistaken_road(servers: Servers, server_root: Path) -> Iterator[Road]:
    """Three databases for a module; nothing is applied between them."""
    with clone_all(servers), open_road(servers, server_root) as road:
        yield road


@pytest.fixture
def stage(mistaken_road: Road, tmp_path: Path) -> Stage:
    """An operator's stage on the module's road."""
    return Stage(bare_environment() | operator_environment(mistaken_road), tmp_path, mistaken_road)


@pytest.fixture
def bare_stage(tmp_path: Path) -> Stage:
    """A stage with nothing set, and no database."""
    return Stage(bare_environment(), tmp_path)
