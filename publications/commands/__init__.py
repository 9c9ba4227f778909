"""What the `ponte` command does, a module for each group: one that is not asked for is not loaded."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from publications.declaration import Declaration, find_declaration, read_declaration

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3

talk = Console(stderr=True, highlight=False)


def read_given(arguments: argparse.Namespace) -> Declaration:
    """Read the shop's declaration, and say which file it is."""
    return read_declaration(find_given(arguments))


def find_given(arguments: argparse.Namespace) -> Path:
    """Return the file that the flag or the environment names, and say which it is."""
    path = find_declaration(arguments.declaration, os.environ).absolute()
    if not getattr(arguments, "nagios", False):  # some monitors take stderr for the plugin's line
        talk.print(f"declaration: {path}", markup=False, soft_wrap=True)
    return path
