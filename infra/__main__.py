"""`python -m infra`: where the files lie that an installation takes over, and what each is for."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = (".conf", ".env", ".hujson", ".json", ".md", ".ps1", ".service", ".sh", ".timer", ".yml")


def main() -> int:
    """Print each file's path and the first line of what it says of itself."""
    print("\n".join(f"{path}  {_describe(path)}".rstrip() for path in list_files()))
    return 0


def list_files() -> list[Path]:
    """Return the units, rules, dashboards, settings and instructions, in order."""
    found = (path for path in HERE.rglob("*") if path.suffix in KINDS and "devstack" not in path.parts)
    return sorted(found)


def _describe(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    said = re.search(r"^Description=(.+)$|\A(?:#!.*\n)?(?:#|//) (.+)$", text, re.MULTILINE)
    return next(filter(None, said.groups()), "") if said else ""


if __name__ == "__main__":
    sys.exit(main())
