"""JSON's values as PostgreSQL prints them, which it reads by the column's type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def print_value(value: Any, *, array: bool = False) -> str | None:
    """Return a value's text; one that is text already stands as it is. array: a list is `{...}`."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case list() if array:
            return _print_array(value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _print_array(values: Sequence[Any]) -> str:
    return "{" + ",".join(_quote(print_value(one)) for one in values) + "}"


def _quote(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
