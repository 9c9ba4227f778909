"""What the `ponte` command does, a module for each group: one that is not asked for is not loaded."""

from __future__ import annotations

from rich.console import Console

OK, FAILED, USAGE, PENDING = 0, 1, 2, 3

talk = Console(stderr=True, highlight=False)
