"""What a server calls its things, on the faces that people and monitors read."""

from __future__ import annotations

import pytest

from db.shown import CONTROL
from publications.commands.plan_text import to_json, to_script, to_text
from publications.decide.changes.publications import DropPublication
from publications.decide.plan import Plan
from publications.faces.terminal import describe_check
from publications.watch.checks import Check, CheckKind, Level

BAD = "a\x1b[2J\x07\r\n\\! id\u202e\x9b31m[/bold]"


@pytest.mark.parametrize("kind", [CheckKind.SLOT_LEFT, CheckKind.DISK_LEFT, CheckKind.LOGINS_REFUSED])
def test_a_sentence_about_it_is_one_plain_line(kind: CheckKind) -> None:
    values: dict[str, float | str | None] = {"hours": 1.0, "setting": BAD, "limit": 1.0}
    for said in describe_check(Check(kind, BAD, Level.WARNING, values)):
        assert not CONTROL.search(said)


def test_a_plan_is_plain_in_every_form() -> None:
    plan = Plan((DropPublication("vps", BAD),))
    for text in (to_text(plan), to_script(plan), to_json(plan)):
        assert not [one for one in CONTROL.findall(text) if one != "\n"]
        assert not [line for line in text.splitlines() if line.lstrip().startswith("\\!")]
