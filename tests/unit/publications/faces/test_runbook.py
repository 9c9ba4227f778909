"""`ponte explain`: the runbook's entries by the names that alerts, hints and the panel use."""

from __future__ import annotations

import pytest

from db.freshness import Cause
from publications.cli import main
from publications.faces.runbook import UnknownEntryError, find_entry, read_runbook, split_entries

pytestmark = pytest.mark.unit

ENTRIES = split_entries(read_runbook())


@pytest.mark.parametrize("name", ["PonteSlotLost", "ponteslotlost", "slot_lost", "SLOT_LOST"])
def test_an_entry_is_found_by_its_alert_and_by_its_cause(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", name]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("## PonteSlotLost\n\n**Sintoma.** ")
    assert "`ponte apply` refaz a fila" in said.out
    assert "## PonteChangesLost" not in said.out
    assert said.err == ""


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_leads_to_one_entry(cause: Cause) -> None:
    assert [name for name, text in ENTRIES.items() if f"`{cause}`" in text] == [
        find_entry(ENTRIES, cause).split()[1]
    ]


def test_links_that_lead_nowhere_on_a_terminal_keep_their_words() -> None:
    assert "como em PonteSlotLost e nada" in ENTRIES["PonteChangesLost"]
    assert not [name for name, text in ENTRIES.items() if "](" in text]


def test_without_a_name_all_are_listed_with_their_symptoms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(ENTRIES)
    assert lines[0].split(maxsplit=1)[1].startswith("Os celulares mostram dados de mais de cinco minutos")


def test_a_name_that_nothing_has_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "PonteSlotLots"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "ponte: the runbook has no entry PonteSlotLots",
        "HINT: did you mean 'PonteSlotLost'?",
    ]
    with pytest.raises(UnknownEntryError) as caught:
        find_entry(ENTRIES, "?")
    assert caught.value.hint == "'ponte explain' lists them"
