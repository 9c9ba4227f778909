"""One kind of dirt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DirtCase:
    """A named way in which an order is odd: the columns in which it differs from a plain one."""

    name: str
    overrides: Mapping[str, object]


def name_cases(columns: str | tuple[str, ...], values: Mapping[str, object]) -> tuple[DirtCase, ...]:
    """Make a case per value, named `<first column>_<key>`; each sets all the columns to that value."""
    names = (columns,) if isinstance(columns, str) else columns
    return tuple(DirtCase(f"{names[0]}_{key}", dict.fromkeys(names, value)) for key, value in values.items())
