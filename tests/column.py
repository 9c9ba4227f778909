"""`python -m tests.column forma_envio`: where a column of the window is written by hand, counted."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("db", "publications", "vps_readapi", "thumbnail_worker", "tests")
SUFFIXES = frozenset({".py", ".sql", ".toml"})
ELSEWHERE = (
    *("db/sql/", "tests/migrations/made/", "tests/benchmarks/", "tests/mutants/", "tests/sgp_writer.py"),
    *("tests/integration/publications/", "tests/unit/test_docs.py", "tests/column.py"),
)
"""What is past, or shows some columns as an example: another column need not be there."""


def count_places(column: str) -> dict[str, int]:
    """Return by file how often the name stands there."""
    word, found = re.compile(rf"\b{re.escape(column)}\b"), {}
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in SUFFIXES and not name.startswith(ELSEWHERE):
            found[name] = len(word.findall(path.read_text(encoding="utf-8")))
    return {name: count for name, count in found.items() if count}


if __name__ == "__main__":
    where = count_places(sys.argv[1])
    told = {"files": len(where), "places": sum(where.values()), "where": where}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
