"""What is told of tables while they are copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Copying(NamedTuple):
    """A table that is not in step yet."""

    table: str
    state: str
    rows: int
    """Those that its copy has read."""
    size: int
    """Their bytes."""
    expected: int
    """About as many rows as there are to read; 0 where the source does not know."""


Left = list[Copying]
CopyReport = Callable[[Left], None]
"""Gets what one subscription has left, again and again while it is waited for."""


def ignore(_: Left) -> None:
    """Tell nobody."""
