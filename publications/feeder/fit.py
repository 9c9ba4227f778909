"""`python -m publications.feeder.fit FILE`: whether this account can read SGP's file, as the feeder will."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from db.endings import OK, Parser, run_program
from db.sgp_file import open_sgp_file


def main() -> int:
    """Return 0 if it can; else say why not."""
    parser = Parser(prog="python -m publications.feeder.fit", description="Try to read SGP's SQLite file.")
    parser.add_argument("file", type=Path)
    return run_program(lambda: _run(parser.parse_args()), name="fit")


def _run(arguments: argparse.Namespace) -> int:
    with open_sgp_file(arguments.file) as conn:
        conn.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    return OK


if __name__ == "__main__":
    sys.exit(main())
