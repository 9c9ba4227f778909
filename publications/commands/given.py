"""The declaration that a command is given: by its flag or by the environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from publications.commands import talk
from publications.declare.declaration import Declaration, find_declaration, read_declaration


def read_given(arguments: argparse.Namespace) -> Declaration:
    """Read the shop's declaration, and say which file it is."""
    return read_declaration(find_given(arguments))


def find_given(arguments: argparse.Namespace) -> Path:
    """Return the file that the flag or the environment names, and say which it is."""
    path = find_declaration(arguments.declaration, os.environ).absolute()
    if not getattr(arguments, "nagios", False):  # some monitors take stderr for the plugin's line
        talk.print(f"declaration: {path}", markup=False, soft_wrap=True)
    return path
