"""Which transport a subscriber has: it switches, in the declaration and on the servers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from db.errors import SettingsError
from publications.act.endpoints import Endpoints
from publications.act.transport import switch
from publications.commands import OK, talk
from publications.commands.given import find_given
from publications.commands.telling import copies_shown, tell_step
from publications.declare import rewrite
from publications.declare.declaration import Transport, parse_declaration, read_declaration, read_text
from publications.declare.rewrite import find_export
from publications.settings import read_settings


def set_transport(arguments: argparse.Namespace) -> int:
    """Switch a subscriber's transport, in the declaration and on the servers."""
    path = find_given(arguments)
    text = read_text(path)
    declaration = parse_declaration(text, origin=path.name)
    export = find_export(declaration, arguments.subscriber)
    if export is None:
        known = ", ".join(one.target for one in declaration.active_exports)
        raise SettingsError("which subscriber's transport is it?", f"name one of: {known}")
    if export.transport != arguments.transport:
        _rewrite(path, text, export.target, arguments.transport)
        declaration = read_declaration(path)
        export = find_export(declaration, export.target) or export
    settings = read_settings(declaration, os.environ)
    with Endpoints(declaration, settings) as endpoints, copies_shown(endpoints):
        switch(endpoints, export, report=tell_step, pushed=_Progress().tell)
    print(f"{export.target} is served by {export.transport}")
    if not export.is_pushed:
        talk.print("the service 'ponte push' has nothing to do any more: stop and disable it")
    return OK


def _rewrite(path: Path, text: str, target: str, transport: Transport) -> None:
    changed = rewrite.set_transport(text, target, transport)
    if changed is None:
        raise SettingsError(
            f"{path.name} has the export to {target} in a shape that is not changed by a command",
            f'write transport = "{transport}" below target = "{target}" there, then run the same again',
        )
    replace_text(path, changed)
    talk.print(f'{path.name} says transport = "{transport}" for {target} now', markup=False, soft_wrap=True)


def replace_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


class _Progress:
    """Says how far a first copy is, whenever that has changed."""

    def __init__(self) -> None:
        self._told = (-1, -1)

    def tell(self, done: int, total: int) -> None:
        """Say it."""
        if (done, total) != self._told:
            self._told = (done, total)
            said = f"{done} of {total} rows" if total else "waiting for the service 'ponte push' to begin"
            talk.print(f"first copy: {said}", markup=False)
