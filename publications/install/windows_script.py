"""Command lines as one script for Windows: it stops where one fails, and does nothing twice. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PureWindowsPath

from db.errors import SettingsError
from db.sgp_file import VARIABLE as SGP_FILE
from publications.declare.declaration import VARIABLE
from publications.install.windows import Command, WindowsServer, to_line

UNSAFE = frozenset('"%&|<>^!\r\n')
"""Letters that a command prompt reads before any program does."""
ADMINISTRATOR = (
    "net session > nul 2>&1",
    "if errorlevel 1 (echo this has to be run as an administrator & exit /b 2)",
)


def check_words(server: WindowsServer) -> None:
    """Raise SettingsError for what can't stand in a script."""
    for name, told in (("media", server.media), ("sgp_file", server.sgp_file), ("folder", str(server.home))):
        if found := sorted(UNSAFE & set(told)):
            raise SettingsError(
                f"{name} has a letter that a script of Windows can't hold: {' '.join(found)!r}",
                "name it by another path, such as a link made with mklink /J",
            )
    if " " in str(server.home):
        raise SettingsError(
            f"the folder {server.home} has a blank in its name", "name one without, such as C:\\Ponte"
        )


def to_script(server: WindowsServer, commands: Iterable[Command], *, stops: bool = True) -> str:
    """Return the whole script. stops: one that fails ends it."""
    lines = [
        "@echo off",
        "rem Written by 'ponte init'. It may be run again.",
        "chcp 65001 > nul",
        *ADMINISTRATOR,
    ]
    lines += set_environment(server)
    for command in commands:
        lines.append(_find_guard(command) + _write(command))
        lines += ["if errorlevel 1 goto failed"] if stops else []
    lines += ["echo done", "exit /b 0"]
    if stops:
        lines += [
            ":failed",
            "echo it stopped at what the last line says: mend that and run it again",
            "exit /b 1",
        ]
    return _join(lines)


def to_environment(server: WindowsServer) -> str:
    """Return the script after which 'ponte' knows where everything is."""
    scripts = PureWindowsPath(server.python).parent
    return _join(["@echo off", f'set "PATH={scripts};%PATH%"', *set_environment(server)])


def set_environment(server: WindowsServer) -> list[str]:
    """Return the lines that tell whoever administers where things are."""
    told = {
        VARIABLE: server.home / "sgp.toml",
        "PONTE_SECRETS_DIR": server.home / "secrets",
        "PGPASSFILE": server.home / "secrets" / "vitrine.pgpass",
        **({SGP_FILE: server.sgp_file} if server.kind == "sqlite" else {}),
    }
    return [f'set "{name}={value}"' for name, value in told.items()]


def _write(command: Command) -> str:
    """Word a command; what the prompt fills in by itself may hold blanks."""
    return " ".join(f'"{word}"' if "%" in word else to_line((word,)) for word in command)


def _find_guard(command: Command) -> str:
    """Return what keeps a line from doing again what is done."""
    return next(_guards(command), "")


def _guards(command: Command) -> Iterator[str]:
    match command:
        case ("nssm", "install", name, *_):
            yield f"sc query {name} > nul 2>&1 || "
        case (program, "register", "-N", name, *_) if program.endswith("pg_ctl.exe"):
            yield f"sc query {name} > nul 2>&1 || "
        case ("nssm" | "net", "start", name, *_):
            yield f'sc query {name} | find "RUNNING" > nul || '
        case ("nssm" | "net", "stop", name, *_) | ("nssm", "remove", name, *_):
            yield f"sc query {name} > nul 2>&1 && "
        case (program, "-D", data, *_) if program.endswith("initdb.exe"):
            yield f'if not exist "{data}\\PG_VERSION" '
        case (program, *_, database) if program.endswith("createdb.exe"):
            asked = to_line(
                (program.replace("createdb", "psql"), *command[1:-1], "-d", database, "-c", "SELECT 1")
            )
            yield f"{asked} > nul 2>&1 || "


def _join(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
