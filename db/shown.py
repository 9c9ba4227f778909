"""How text that came from anywhere is shown: what moves a cursor, ends a line or turns its order is escaped.

Names in a catalog, an order's words and a server's messages are anybody's text.
"""

from __future__ import annotations

import json
import re
from typing import Any

CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""C0 and C1, what turns the direction of text, what is invisible, and what is no character at all."""


def show(text: str) -> str:
    r"""Return it on one line, such as `\u001b` for ESC; all else stays as it is."""
    return CONTROL.sub(_escape, text)


def dump_json(value: object, **options: Any) -> str:
    """Return JSON that reads back as the same and shows no control character; letters stay as they are."""
    text = json.dumps(value, ensure_ascii=False, **options)
    return CONTROL.sub(lambda found: found[0] if found[0] == "\n" else _escape_utf16(found[0]), text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004


def _escape_utf16(one: str) -> str:
    """JSON writes what lies beyond four digits as two surrogates."""
    return json.dumps(one)[1:-1]
