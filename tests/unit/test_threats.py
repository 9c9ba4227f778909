"""The table of thefts names tests that there are, and each line but the last names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
STOLEN = {
    "root on the VPS", "the ingest", "the export credential", "the API's secrets", "a user's token",
    "the worker's role", "the S3 key", "the push's key",
}  # fmt: skip


def read_lines() -> list[str]:
    table = TEXT.split("| stolen |")[1].split("\n\n")[0]
    return [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]


def test_every_test_that_is_named_is_there() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 15
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_theft_has_a_line_and_every_line_a_test() -> None:
    lines = read_lines()
    firsts = [line.split("|")[1].strip() for line in lines]
    assert all(any(first.startswith(one) for first in firsts) for one in STOLEN)
    without = [line.split("|")[1].strip() for line in lines if not NAMED.search(line)]
    assert without == ["root on the intranet"]  # which nobody could show to be bounded


def test_every_file_that_is_named_is_there() -> None:
    for page in ("docs/threats.md", "SECURITY.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#]+)\)", text)
        assert links
        assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
        files = re.findall(r"`((?:tests|infra|docs)/[\w/.]+)`", text)
        assert [file for file in files if not (ROOT / file).exists()] == []
