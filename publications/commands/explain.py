"""The command that says what an alert or a cause means: explain."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markdown import Markdown

from publications.commands import OK
from publications.faces.runbook import find_entry, list_entries, read_runbook, split_entries


def explain(arguments: argparse.Namespace) -> int:
    """Print one entry of the runbook, or the names of all."""
    entries = split_entries(read_runbook())
    if arguments.name is None:
        width = max(map(len, entries))
        print("\n".join(f"{name:<{width}}  {symptom}" for name, symptom in list_entries(entries)))
        return OK
    text = find_entry(entries, arguments.name)
    out = Console(highlight=False)
    if out.is_terminal:
        out.print(Markdown(text))
    else:
        print(text)
    return OK
