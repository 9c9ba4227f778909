"""Folders and users taken away, when whoever uninstalls says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from publications.install.accounts import drop_accounts
from publications.install.machine import Machine
from publications.install.step import Step


def drop_all(machine: Machine, services: Iterable[str]) -> Iterator[Step]:
    """Yield the steps that delete users, data, settings and secrets, these last: a second run reads them."""
    yield from drop_accounts(machine, services)
    for folder in (machine.data, machine.folder):
        yield Step(f"delete {folder}", partial(_is_gone, folder), partial(shutil.rmtree, folder))


def _is_gone(folder: Path) -> bool:
    return not folder.exists()
