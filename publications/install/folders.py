"""Folders taken away, when whoever uninstalls says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from publications.install.machine import Machine
from publications.install.step import Step


def drop_folders(machine: Machine) -> Iterator[Step]:
    """Yield the steps that delete data, settings and secrets, the settings last: a second run reads them."""
    for folder in (machine.data, machine.folder):
        yield Step(f"delete {folder}", partial(_is_gone, folder), partial(shutil.rmtree, folder))


def _is_gone(folder: Path) -> bool:
    return not folder.exists()
