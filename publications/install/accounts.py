"""One Unix user for each service, without a home and without a shell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from publications.install.errors import InstallError
from publications.install.machine import Machine, find_ids
from publications.install.run import run
from publications.install.step import Step


def make_accounts(machine: Machine, services: Iterable[str]) -> Iterator[Step]:
    """Yield a step for each service's user."""
    for service in services:
        name, home = machine.account(service), machine.data / service
        yield Step(f"Unix user {name}", partial(_exists, name), partial(_add, name, home))


def check_python(machine: Machine, service: str) -> Step:
    """Return the step that finds out whether a service's user can run Ponte's Python at all."""
    python = machine.venv / "bin" / "python"
    hint = f"make {machine.venv} with a Python that everybody may run, such as /usr/bin/python3"
    command = (python, "-c", "import db")
    return check_as(f"the services' users can run {python}", command, machine.account(service), hint)


def check_folder(machine: Machine, service: str, folder: Path) -> Step:
    """Return the step that finds out whether a service's user can read a folder of the shop's."""
    account, group = machine.account(service), name_group(folder)
    command = (machine.venv / "bin" / "python", "-c", "import os, sys; os.listdir(sys.argv[1])", folder)
    hint = f"let it: usermod -aG {group} {account}, if that group may read it; then run this again"
    return check_as(f"the user {account} can read {folder}", command, account, hint)


def name_group(path: Path) -> str:
    """Name the group of a folder or file, for whoever is told to join it."""
    try:
        return path.group()
    except (OSError, KeyError):
        return "GROUP"


def check_as(says: str, command: Sequence[str | Path], account: str, hint: str) -> Step:
    """Return a step that nothing but the shop can do: done is whether the command ends well."""

    def do() -> None:
        run(*command, account=account, cwd=Path("/"), hint=hint)

    def is_done() -> bool:
        try:
            do()
        except InstallError:
            return False
        return True

    return Step(says, is_done, do)


def drop_accounts(machine: Machine, services: Iterable[str]) -> Iterator[Step]:
    """Yield a step for each service's user that takes it away."""
    for name in map(machine.account, services):
        yield Step(f"remove Unix user {name}", partial(_is_gone, name), partial(_drop, name))


def _exists(name: str) -> bool:
    return find_ids(name)[0] >= 0


def _is_gone(name: str) -> bool:
    return not _exists(name)


def _drop(name: str) -> None:
    """Whoever is still there, such as the other end's SSH, has nothing left to reach."""
    run("userdel", "--force", name)


def _add(name: str, home: Path) -> None:
    """Make it with a password that nothing matches; with a locked one SSH would not take its key either."""
    run(
        "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", home,
        "--shell", "/usr/sbin/nologin", "--password", "*", name, hint="run 'ponte init' as root",
    )  # fmt: skip
