"""Find the line of a key in a TOML text, for errors that name it. Pure.

`tomllib` gives no positions. This reads headers and the keys at the beginning of lines, which is how
declarations are written; inside an inline table the line is that of the key that holds it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_HEADER = re.compile(r"^\s*(?P<list>\[)?\[\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>[A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")

Path = tuple[str | int, ...]


def find_line(text: str, path: Sequence[str | int]) -> int | None:
    """Return the number, from 1, of the line that holds the deepest part of `path` that can be found."""
    best, length = None, 0
    wanted = tuple(path)
    for number, found in _walk(text):
        shared = _shared(found, wanted)
        if shared > length:
            best, length = number, shared
    return best


def _shared(found: Path, wanted: Path) -> int:
    """Count the parts of `found` if it leads towards `wanted`, else 0."""
    return len(found) if found == wanted[: len(found)] else 0


def _walk(text: str) -> Iterator[tuple[int, Path]]:
    """Yield each header and key with its line; an array of tables counts its entries."""
    here: Path = ()
    seen: Counter[Path] = Counter()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            here = _enter(header, seen)
            yield number, here
        elif key := _KEY.match(line):
            yield number, (*here, _bare(key["key"]))


def _enter(header: re.Match[str], seen: Counter[Path]) -> Path:
    """Number the entries of arrays, also of those that the path passes through: always their last."""
    path: Path = ()
    parts = [_bare(part) for part in _PART.findall(header["path"])]
    for depth, part in enumerate(parts, start=1):
        path = (*path, part)
        if header["list"] and depth == len(parts):
            seen[path] += 1
        if path in seen:
            path = (*path, seen[path] - 1)
    return path


def _bare(key: str) -> str:
    return key[1:-1] if key[:1] in {'"', "'"} else key
