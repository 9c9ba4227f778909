"""Fixed SQL lives in `.sql` files beside the package that runs it; this reads them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

_BLOCK = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\n-- (?P<what>.+)\n", re.MULTILINE)


def read_sql(package: str, name: str) -> LiteralString:
    """Return the whole of `<package>/sql/<name>.sql`. Raise FileNotFoundError if there is none."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def read_blocks(package: str, name: str) -> dict[str, LiteralString]:
    """Return the named blocks of one file, by name.

    A block starts with two comment lines, `-- name: <name>` and `-- <what it does>`, and ends where
    the next one starts. Raise ValueError for a name that stands twice or a file without blocks.
    """
    text = read_sql(package, name)
    starts = list(_BLOCK.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    blocks = {start["name"]: text[start.end() : end].strip() for start, end in zip(starts, ends, strict=True)}
    if not blocks or len(blocks) != len(starts):
        raise ValueError(f"{package}/sql/{name}.sql has no named block, or one name twice")
    return blocks
