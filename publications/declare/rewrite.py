"""Changes one line of the declaration's text, and leaves every other as it stands. Pure."""

from __future__ import annotations

import re

from publications.declare.declaration import Declaration, Export, Transport, parse_declaration

_BLOCK = re.compile(r"^\[\[exports\]\][^\n]*\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)
_TRANSPORT = re.compile(r"^transport\s*=.*$", re.MULTILINE)
_TARGET = re.compile(r"^target\s*=.*\n", re.MULTILINE)


def find_export(declaration: Declaration, target: str | None) -> Export | None:
    """Return the export to a subscriber, or the only one."""
    exports = {export.target: export for export in declaration.active_exports}
    if target is None and len(exports) == 1:
        return next(iter(exports.values()))
    return exports.get(target or "")


def set_transport(text: str, target: str, transport: Transport) -> str | None:
    """Return the text with a subscriber's transport set; None where that can't be done line by line."""
    for block in _BLOCK.finditer(text):
        found = _TARGET.search(block[0])
        if found and re.search(rf"""["']{re.escape(target)}["']""", found[0]):
            changed = _set(block[0], found.end(), transport)
            whole = text[: block.start()] + changed + text[block.end() :]
            made = find_export(parse_declaration(whole, origin="the declaration"), target)
            return whole if made and made.transport == transport else None
    return None


def _set(block: str, after: int, transport: Transport) -> str:
    line = f'transport = "{transport}"'
    if _TRANSPORT.search(block):
        return _TRANSPORT.sub(line, block, count=1)
    return f"{block[:after]}{line}\n{block[after:]}"
