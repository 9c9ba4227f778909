"""`ponte init` and `ponte uninstall` on a Windows server: they print what the technician is to type."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from db.errors import SettingsError
from publications.commands import PENDING, talk
from publications.declare.declaration import IntakeKind
from publications.install.windows import Command, WindowsServer, to_line


def told_server(arguments: argparse.Namespace) -> WindowsServer:
    """Return the server that the flags describe. Raise SettingsError naming those that are missing."""
    kind: IntakeKind = "postgresql" if getattr(arguments, "kind", None) == "postgresql" else "sqlite"
    needed = ["media", "vps", *(["sgp_file"] if kind == "sqlite" else [])]
    needed = needed if hasattr(arguments, "media") else []
    told = {name: getattr(arguments, name) for name in needed}
    if missing := [name.replace("_", "-") for name, value in told.items() if not value]:
        raise SettingsError(
            f"on Windows these have to be told: {', '.join(missing)}",
            f"give them as flags, such as --{missing[0]}; the commands to be typed are printed then",
        )
    return WindowsServer(kind, told.get("media", ""), told.get("vps", ""), told.get("sgp_file", ""))


def print_commands(commands: Iterable[Command]) -> int:
    """Print each as a line for an administrator's command prompt; something is to be done."""
    for command in commands:
        print(to_line(command))
    talk.print("nothing was done: type these as an administrator; the page on installing has the rest")
    return PENDING
