"""What people install: the wheel holds all that is not Python, and all that its hints name."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from publications.cli import _parser
from publications.faces.runbook import split_entries
from tests.fix_wheel import REPOSITORY

pytestmark = pytest.mark.acceptance

PACKAGES = ("db", "publications", "vps_readapi", "thumbnail_worker", "infra")
DATA = {".sql", ".toml", ".mako", ".html", ".json", ".css", ".js", ".svg", ".yml"}
LEFT_OUT = {"infra/bootstrap.py", "infra/release.py"}
BROUGHT = {"publications/runbook.md"}
"""What lies elsewhere in the repository."""
DOCUMENT = re.compile(r"\bdocs/|\b[\w-]+\.md\b")
COMMAND = re.compile(r"(?:['`]|^|runbook: )ponte ([a-z-]+)(?: (Ponte\w+))?", re.MULTILINE)
MODULE = re.compile(r"\bpython -m ([\w.]+)")


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()]
    present = {path.relative_to(REPOSITORY).as_posix() for path in files}
    data = {name for name in present if Path(name).suffix in DATA}
    assert {Path(name).suffix for name in data} >= {".sql", ".toml", ".mako", ".html", ".css", ".js"}
    assert data - held == set()
    assert {name for name in present if name.endswith(".py")} - held == LEFT_OUT
    assert held >= BROUGHT
    foreign = {name for name in held if name.split("/")[0] not in PACKAGES and ".dist-info/" not in name}
    assert foreign == set()


def read_sayings(wheel: Path) -> Iterator[tuple[str, str]]:
    """Yield what the installed files say to people, each with its file: strings but docstrings, and texts."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode(errors="replace")
            if name.endswith(".py"):
                yield from ((name, said) for said in read_strings(text))
            elif name.endswith((".yml", ".service", ".timer", ".conf", ".env", ".html", ".toml")):
                yield name, text


def read_strings(source: str) -> Iterator[str]:
    """Yield the strings of a module, the parts of an f-string joined, without docstrings."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone | parts:
            yield node.value


def test_no_hint_and_no_rule_names_a_document_that_stays_in_the_repository(wheel: Path) -> None:
    named = [(name, said) for name, said in read_sayings(wheel) if DOCUMENT.search(said)]
    assert {name for name, _ in named} == {"publications/faces/runbook.py"}, named


def test_every_command_that_a_hint_or_a_rule_names_is_there(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = split_entries(archive.read("publications/runbook.md").decode())
    usage = _parser().format_help()
    sayings = [*read_sayings(wheel), *entries.items()]
    found = [(name, one) for name, said in sayings for one in COMMAND.findall(said)]
    commands = {(name, command) for name, (command, _) in found}
    explained = {entry for _, (_, entry) in found} - {""}
    assert len(commands) > 30
    assert {one for one in commands if not re.search(rf"^ +{one[1]} ", usage, re.MULTILINE)} == set()
    assert {"PonteSlotLost", "PonteChangesLost"} <= explained <= set(entries)


def test_every_program_that_a_hint_or_a_unit_names_is_there(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    named = {module for _, said in read_sayings(wheel) for module in MODULE.findall(said)}
    assert named >= {"vps_readapi", "vps_readapi.ingest", "thumbnail_worker", "infra.devstack"}
    paths = {module: module.replace(".", "/") for module in named}
    assert {one for one, path in paths.items() if not held & {f"{path}.py", f"{path}/__main__.py"}} == set()
