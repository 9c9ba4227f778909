"""The declaration is strict and says where it is wrong; its schema is the one that is committed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from publications.declare.declaration import (
    STARTING_PATH,
    make_schema,
    parse_declaration,
    read_declaration,
)
from publications.declare.faults import DeclarationError
from publications.declare.locate import find_line

TEXT = STARTING_PATH.read_text(encoding="utf-8")


def line_of(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1


FAULTS = {
    "misspelt key": (
        "synchronous_commit",
        "synchronus_commit",
        "unknown key intake.options.synchronus_commit",
        "did you mean 'synchronous_commit'?",
    ),
    "unheard-of key": (
        "binary = false",
        "binary = false\nzebra = 1",
        "unknown key intake.options.zebra",
        "take it out",
    ),
    "wrong type": ('streaming = "off"', "streaming = 12", "intake.options.streaming", "mend that line"),
    "unknown operation": (
        'operations = ["insert", "update", "delete", "truncate"]',
        'operations = ["insert", "merge"]',
        "intake.operations.1",
        "mend that line",
    ),
    "an export in parallel": (
        '[exports.options]\nsynchronous_commit = "off"\nstreaming = "off"',
        '[exports.options]\nsynchronous_commit = "off"\nstreaming = "parallel"',
        "exports.0.options.streaming",
        "mend that line",
    ),
    "a window that truncates": (
        'operations = ["insert", "update", "delete"]',
        'operations = ["insert", "truncate"]',
        "exports.0.operations.1",
        "mend that line",
    ),
    "a filter on SGP's table": (
        'projection = "project_user"',
        'projection = "project_user"\nwhere = "id > 1"',
        "intake.tables.2.where",
        "mend that line",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_line_and_what_was_meant(fault: str) -> None:
    old, new, fact, hint = FAULTS[fault]
    text = TEXT.replace(old, new, 1)
    with pytest.raises(DeclarationError) as caught:
        parse_declaration(text, origin="mine.toml")
    wrong = new.splitlines()[-1]
    assert f"mine.toml, line {line_of(text, wrong)}: " in caught.value.fact
    assert fact in caught.value.fact
    assert hint in caught.value.hint


def test_text_that_is_no_toml_names_its_line() -> None:
    with pytest.raises(DeclarationError, match=r"mine\.toml is not TOML: .*line 2"):
        parse_declaration("version = 1\n= 2\n", origin="mine.toml")


def test_a_name_used_twice_is_refused() -> None:
    text = TEXT.replace('"pub_vps_imagens"', '"pub_vps_pedidos"')
    with pytest.raises(DeclarationError, match="names are used twice: pub_vps_pedidos"):
        parse_declaration(text, origin="mine.toml")


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_declaration(tmp_path / "no.toml")
    assert "--declaration" in caught.value.hint


def test_the_committed_schema_is_the_models() -> None:
    committed = json.loads(STARTING_PATH.with_name("sgp.schema.json").read_text(encoding="utf-8"))
    assert committed == make_schema(), "run: ponte schema > publications/sgp.schema.json"


LINES = """\
[a]
x = 1
[[b]]
y = 2
[[b.c]]
z = 3
[[b]]
y = 4
[[b.c]]
z = 5
[[b.c]]
"q.r" = { deep = 6 }
[privacy."public.t"]
p = []
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a", "x"), 2),
        (("b", 0, "y"), 4),
        (("b", 1, "y"), 8),
        (("b", 0, "c", 0, "z"), 6),
        (("b", 1, "c", 0, "z"), 10),
        (("b", 1, "c", 1, "q.r", "deep"), 12),
        (("privacy", "public.t", "p", 3), 14),
        (("b", 1, "nothing"), 7),
        (("nothing",), None),
    ],
)
def test_a_path_is_found(path: tuple[str | int, ...], line: int | None) -> None:
    assert find_line(LINES, path) == line
