"""`ponte init` and `ponte uninstall` on a Windows server: they write what the technician is to run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path, PureWindowsPath

from psycopg.conninfo import make_conninfo

from db.errors import SettingsError
from publications.commands import PENDING, talk
from publications.declare.declaration import STARTING_PATH, IntakeKind, parse_declaration, read_text
from publications.install.declared import set_kind
from publications.install.given import DECLARATION
from publications.install.run import run
from publications.install.secrets import Secrets
from publications.install.windows import HOME, Command, WindowsServer, install, shut, to_line
from publications.install.windows_files import find_unknown, list_files, make_access
from publications.install.windows_script import check_words
from publications.settings import dsn_variable

NEEDED: Mapping[IntakeKind, tuple[str, ...]] = {
    "sqlite": ("media", "intranet", "vps", "sgp_file"),
    "postgresql": ("media", "intranet", "vps", "sgp"),
}


def told_server(arguments: argparse.Namespace) -> WindowsServer:
    """Return the server that the flags describe. Raise SettingsError naming those that are missing."""
    kind: IntakeKind = "postgresql" if arguments.kind == "postgresql" else "sqlite"
    told = {name: getattr(arguments, name) or "" for name in NEEDED[kind]}
    if missing := [name.replace("_", "-") for name, value in told.items() if not value]:
        raise SettingsError(
            f"on Windows these have to be told: {', '.join(missing)}",
            f"give them as flags, such as --{missing[0]}; 'ponte init --help' says what each is",
        )
    for name in ("intranet", "vps"):
        _check_address(name, told[name])
    home = PureWindowsPath(str(arguments.folder)) if arguments.folder else HOME
    server = WindowsServer(
        kind,
        media=told["media"],
        vps=told["vps"],
        sgp_file=told.get("sgp_file", ""),
        sgp=told.get("sgp", ""),
        intranet=told["intranet"],
        home=home,
    )
    check_words(server)
    return server


def _check_address(name: str, given: str) -> None:
    try:
        ip_address(given)
    except ValueError as error:
        raise SettingsError(f"{name} is no IP address: {given}", "give its address in the tunnel") from error


def write_installation(arguments: argparse.Namespace, folder: Path, *, password: str = "") -> int:
    """Write it all into the folder; what is there stays as it is. password: of SGP's administrator."""
    server = told_server(arguments)
    if arguments.dry_run:
        return print_commands(install(server))
    if sys.platform == "win32":  # before any secret is in it
        folder.mkdir(parents=True, exist_ok=True)
        run(*shut(str(folder)), hint="run this as an administrator")
    own = folder / DECLARATION
    text = set_kind(read_text(own if own.exists() else STARTING_PATH), server.kind)
    declaration = parse_declaration(text, origin=DECLARATION)
    secrets = Secrets(folder / "secrets")
    if server.kind == "postgresql":
        variable = dsn_variable(declaration.intake.source)
        secrets.take(variable, make_conninfo(server.sgp, password=password))
    access = make_access(server, declaration, secrets)
    for file in list_files(server, access, text, folder):
        if not file.is_there():
            file.write()
    _say_next(folder, find_unknown(access))
    return PENDING


def _say_next(folder: Path, unknown: tuple[str, str]) -> None:
    operators, watchs = unknown
    for line in (
        f"written into {folder}. Next, as an administrator:",
        f"  write how the VPS's database is reached: {operators} into {folder / 'secrets'},",
        f"  {watchs} into {folder / 'secrets' / 'watch'}, each a file named so in small letters",
        f"  {folder / 'install.cmd'}",
    ):
        talk.print(line, markup=False, soft_wrap=True)


def print_commands(commands: Iterable[Command]) -> int:
    """Print each as a line for an administrator's command prompt; something is to be done."""
    for command in commands:
        print(to_line(command))
    talk.print("nothing was done: these are for an administrator; the page on installing has the rest")
    return PENDING
