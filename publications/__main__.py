"""The `ponte` command, also as `python -m publications`: it says which extra brings what is missing."""

from __future__ import annotations

import sys

from db.extras import need
from db.loading import loading


def main() -> int:
    """Run one command, whose modules are loaded as they are needed, and return its exit code."""
    with need("ops"):
        with loading():
            from publications.cli import main as run  # noqa: PLC0415

        return run()


if __name__ == "__main__":
    sys.exit(main())
