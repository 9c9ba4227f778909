"""What to do: the runbook's entries by the names of alerts and of the causes that lead to them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from db.errors import SettingsError
from db.freshness import Cause

_HEADING = re.compile(r"^## (?P<name>\w+)\n", re.MULTILINE)
_SYMPTOM = re.compile(r"^\*\*Sintoma\.\*\* (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
IN_REPOSITORY = Path(__file__).parents[2] / "docs" / "runbook.md"


class UnknownEntryError(SettingsError):
    """Nothing in the runbook has that name."""


def read_runbook() -> str:
    """Return the page: the wheel brings it along, the repository has it among its documents."""
    packaged = files("publications").joinpath("runbook.md")
    return (packaged if packaged.is_file() else IN_REPOSITORY).read_text(encoding="utf-8")


def split_entries(page: str) -> dict[str, str]:
    """Return each entry's text, its heading included, by its name; links keep their words alone."""
    starts = list(_HEADING.finditer(page))
    ends = [start.start() for start in starts[1:]] + [len(page)]
    return {
        start["name"]: _LINK.sub(r"\1", page[start.start() : end]).strip()
        for start, end in zip(starts, ends, strict=True)
    }


def find_entry(entries: Mapping[str, str], name: str) -> str:
    """Return the entry of an alert or of a cause. Raise UnknownEntryError with what was probably meant."""
    for title, text in entries.items():
        if title.casefold() == name.casefold():
            return text
    if name.lower() in set(Cause):
        for text in entries.values():
            if f"`{name.lower()}`" in text:
                return text
    raise UnknownEntryError(f"the runbook has no entry {name}", _guess(name, (*entries, *Cause)))


def _guess(name: str, known: Iterable[str]) -> str:
    by_fold = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), by_fold, n=1)
    return f"did you mean '{by_fold[close[0]]}'?" if close else "'ponte explain' lists them"


def list_entries(entries: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each entry's name and its symptom."""
    return [(name, _SYMPTOM.findall(text)[0]) for name, text in entries.items()]
