"""`ponte init` and `ponte uninstall`: a shop's machines, made and unmade."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db.errors import SettingsError, word
from publications.act.preflight import read_file
from publications.commands import OK, PENDING, talk
from publications.commands.telling import copies_shown
from publications.commands.windows import print_commands, write_installation
from publications.decide.preflight_file import find_file_verdicts
from publications.decide.verdicts import Outcome
from publications.declare.declaration import Declaration, parse_declaration, read_text
from publications.install.access import Access
from publications.install.bundle import FOLDER, NAME
from publications.install.declared import find_declared
from publications.install.given import DECLARATION, S3_KEY, S3_READER_KEY
from publications.install.intranet import Intranet, find_vps
from publications.install.leave import Leaving
from publications.install.machine import Machine
from publications.install.secrets import Secrets
from publications.install.shop import FILE, FLAGS, OF_KIND, QUESTIONS, Shop, make_shop, read_answers
from publications.install.step import carry_out, list_steps
from publications.install.windows import HOME, WindowsServer, remove
from publications.settings import dsn_variable


def init(arguments: argparse.Namespace) -> int:
    """Make this server the intranet's end, and the archive that makes the VPS."""
    if sys.platform == "win32":
        return _init_on_windows(arguments)
    shop = make_shop(_find_answers(arguments))
    secrets = Secrets(shop.machine.folder / "secrets", kept=not arguments.dry_run)
    text = find_declared(shop, told=arguments.kind is not None)
    declaration = parse_declaration(text, origin=DECLARATION)
    _take_passwords(shop, declaration, secrets, arguments)
    intranet = Intranet(Access(shop, declaration, secrets), text, copies_shown)
    if arguments.dry_run:
        return OK if list_steps([*intranet.near(), *intranet.far()], _report) else PENDING
    carry_out(intranet.near(), _report)
    _tell_of_file(shop)
    if not find_vps(intranet.access):
        _say_next(shop)
        return PENDING
    carry_out(intranet.far(), _report)
    talk.print(
        f"done; look with: . {shop.machine.folder}/ponte.sh; ponte status", markup=False, soft_wrap=True
    )
    return OK


def _init_on_windows(arguments: argparse.Namespace) -> int:
    question = "the password of that administrator of SGP's PostgreSQL"
    password = ""
    if arguments.kind == "postgresql" and not arguments.dry_run:
        file = arguments.sgp_password_file
        password = _read_file(file) if file else _read_password(question)
    return write_installation(arguments, arguments.folder or Path(str(HOME)), password=password)


def _tell_of_file(shop: Shop) -> None:
    """Say once what of SGP's file no step mends."""
    if shop.sgp_file and shop.is_fed:
        for one in find_file_verdicts(read_file(shop.sgp_file, "sgp")):
            if one.outcome is not Outcome.OK:
                talk.print(f"note: {one.fact}\nHINT: {one.hint}", markup=False, soft_wrap=True)


def uninstall(arguments: argparse.Namespace) -> int:
    """Leave SGP as it was found, and this machine without Ponte's services."""
    if sys.platform == "win32":
        given = PureWindowsPath(str(arguments.folder))
        return print_commands(remove(WindowsServer("sqlite", "", "", home=given if given.drive else HOME)))
    folder: Path = arguments.folder
    if not (folder / FILE).exists():
        raise SettingsError(f"there is no installation in {folder}", "name its folder with --folder")
    shop = make_shop(read_answers(folder / FILE))
    declaration = parse_declaration(read_text(folder / DECLARATION), origin=DECLARATION)
    secrets = Secrets(folder / "secrets", kept=False)
    dsns = [
        secrets.find(dsn_variable(name)) for name in (declaration.intake.source, declaration.intake.target)
    ]
    leaving = Leaving(declaration, shop.machine, *(dsn or "" for dsn in dsns))
    steps = leaving.steps(delete_data=arguments.delete_data)
    if arguments.dry_run:
        return OK if list_steps(steps, _report) else PENDING
    carry_out(steps, _report)
    talk.print("SGP is as it was found. On the VPS run:", markup=False)
    talk.print(f"  sh {FOLDER}/install --uninstall", markup=False)
    return OK


def _find_answers(arguments: argparse.Namespace) -> dict[str, Any]:
    """Take what an earlier run was told, then the file's answers, then the flags; ask for the rest."""
    given = read_answers(arguments.answers) if arguments.answers else {}
    if arguments.answers and not arguments.answers.exists():
        raise SettingsError(f"there is no {arguments.answers}", "name the file of the answers")
    machine = {"venv": sys.prefix, **given.get("machine", {})}
    if arguments.folder:
        machine["folder"] = str(arguments.folder)
    told = read_answers(Path(machine.get("folder", Machine().folder)) / FILE)
    answers = {**told, **given, "machine": {**told.get("machine", {}), **machine}}
    answers |= {
        name: value for name in (*QUESTIONS, *FLAGS) if (value := getattr(arguments, name)) is not None
    }
    if not arguments.yes:
        for name in QUESTIONS:
            if name == "intranet" and answers.get("transport") == "push":
                continue
            if name not in answers and OF_KIND.get(name) in {None, answers.get("kind")}:
                answers |= _ask(name)
    return answers


def _ask(name: str) -> Mapping[str, str]:
    field = Shop.model_fields[name]
    default = "" if field.is_required() else str(field.default or "")
    answer = _read_line(f"{name}: {field.description}" + (f" [{default}]" if default else "")) or default
    return {name: answer} if answer else {}


def _read_line(question: str) -> str:
    talk.print(f"? {question}", markup=False, soft_wrap=True)
    line = sys.stdin.readline()
    if not line:
        raise SettingsError(
            "there is nobody to answer", "give the answers as flags or in --answers FILE, with --yes"
        )
    return line.strip()


def _read_password(question: str) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass(f"? {question}: ", stream=sys.stderr)
    return _read_line(question)


def _take_passwords(
    shop: Shop, declaration: Declaration, secrets: Secrets, arguments: argparse.Namespace
) -> None:
    """Keep those that only the shop knows; they are asked for once."""
    if not shop.is_fed:
        _take_sgps(shop, dsn_variable(declaration.intake.source), secrets, arguments.sgp_password_file)
    if shop.storage == "s3":
        for name, whose in ((S3_KEY, "writes"), (S3_READER_KEY, "only reads")):
            secrets.take(name, secrets.find(name) or _read_password(f"the secret of the S3 key that {whose}"))


def _take_sgps(shop: Shop, variable: str, secrets: Secrets, file: Path | None) -> None:
    known = conninfo_to_dict(secrets.find(variable) or "").get("password")
    if file:
        known = _read_file(file)
    password = known or _read_password("the password of that administrator of SGP's PostgreSQL")
    secrets.take(variable, make_conninfo(shop.sgp, password=password))


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read: {word(error)}", "name a file with the password in it"
        ) from error


def _say_next(shop: Shop) -> None:
    talk.print(
        "next: the VPS, which does not answer yet. Copy the archive there, and run in it:", markup=False
    )
    for line in (
        f"scp {shop.machine.folder / NAME} root@{shop.vps}:",
        f"ssh root@{shop.vps} 'tar xf {NAME} && sh {FOLDER}/install'",
        "ponte init",
    ):
        talk.print(f"  {line}", markup=False, soft_wrap=True)


def _report(state: str, what: str) -> None:
    talk.print(f"{state:<6} {what}", markup=False, soft_wrap=True)
