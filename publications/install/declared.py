"""The shop's declaration, as an installation keeps it beside the answers."""

from __future__ import annotations

import re

from db.errors import SettingsError
from publications.declare.declaration import (
    STARTING_PATH,
    Export,
    IntakeKind,
    parse_declaration,
    read_text,
)
from publications.declare.rewrite import set_transport
from publications.install.given import DECLARATION
from publications.install.shop import FILE, Shop

_KIND = re.compile(r'^kind\s*=\s*"(postgresql|sqlite)"', re.MULTILINE)


def find_declared(shop: Shop, *, told: bool) -> str:
    """Return the text of the shop's own if there is one, else of the starting one, for its kind of SGP
    and its transport.

    told: somebody has just said which kind; else the shop's own file has a word, too. Raise SettingsError.
    """
    own = shop.machine.folder / DECLARATION
    text = read_text(own if own.exists() else STARTING_PATH)
    text = _find_carried(shop, text, is_own=own.exists())
    found = _read_kind(text)
    if found == shop.kind:
        return text
    if own.exists() and not told:
        raise SettingsError(
            f"{own} says that SGP is on {found}, and {FILE} that it is on {shop.kind}",
            f"if it is on {found} run 'ponte init --kind {found}', else 'ponte init --kind {shop.kind}'",
        )
    changed = set_kind(text, shop.kind)
    if _read_kind(changed) != shop.kind:
        hint = f'write kind = "{shop.kind}" below [intake]'
        raise SettingsError(f"{own} has no line of its own that says what SGP is on", hint)
    return changed


def _find_carried(shop: Shop, text: str, *, is_own: bool) -> str:
    """Another transport is begun here and switched elsewhere, where both are at work for a while."""
    export = _read_export(text)
    if export.transport == shop.transport:
        return text
    if is_own:
        raise SettingsError(
            f"{shop.machine.folder / DECLARATION} says transport {export.transport}, and {FILE}"
            f" {shop.transport}",
            f"run 'ponte transport {shop.transport}', which switches; or correct {FILE}",
        )
    return set_transport(text, export.target, shop.transport) or text


def _read_export(text: str) -> Export:
    return parse_declaration(text, origin=DECLARATION).active_exports[0]


def set_kind(text: str, kind: IntakeKind) -> str:
    """Return a declaration with that one line changed."""
    return _KIND.sub(f'kind = "{kind}"', text)


def _read_kind(text: str) -> IntakeKind:
    return parse_declaration(text, origin=DECLARATION).intake.kind
