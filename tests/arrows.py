"""Count the arrows between the rooms of each package, and its lines of code: `python -m tests.arrows [ROOT]`.

A room is a module or folder right below a package; an arrow says that one room imports from another, however
often. It runs up if it goes against the order of rooms that has the fewest such: without a circle none does.
"""

from __future__ import annotations

import ast
import json
import sys
import tokenize
from collections.abc import Iterable
from pathlib import Path

import grimp

PACKAGES = ("publications", "vps_readapi", "thumbnail_worker", "db", "infra")
Arrow = tuple[str, str]
_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def find_arrows(package: str) -> tuple[set[str], set[Arrow]]:
    """Return a package's rooms, and which imports from which."""
    graph = grimp.build_graph(package, cache_dir=None)
    rooms = {module: module.split(".")[1] for module in graph.modules if "." in module}
    arrows = {
        (rooms[module], rooms[imported])
        for module in rooms
        for imported in graph.find_modules_directly_imported_by(module)
        if imported in rooms and rooms[imported] != rooms[module]
    }
    return set(rooms.values()), arrows


def find_upward(rooms: Iterable[str], arrows: set[Arrow]) -> set[Arrow]:
    """Order the rooms, those that import before what they import, and return the arrows that run up.

    Whatever nobody left imports, or imports nobody left, has its place; of a circle, the room with the most
    arrows down beyond those up goes first (Eades, Lin and Smyth).
    """
    left, first, last = sorted(rooms), [], []

    def count(room: str, end: int) -> int:
        return sum(arrow[end] == room and arrow[1 - end] in left for arrow in arrows)

    while left:
        if sinks := [room for room in left if not count(room, 0)]:
            last.append(sinks[0])
            left.remove(sinks[0])
        else:
            chosen = max(left, key=lambda room: (not count(room, 1), count(room, 0) - count(room, 1)))
            first.append(chosen)
            left.remove(chosen)
    place = {room: number for number, room in enumerate([*first, *reversed(last)])}
    return {(one, other) for one, other in arrows if place[one] > place[other]}


def count_code(path: Path) -> int:
    """Count the lines of a module that hold code: no blank ones, comments or docstrings."""
    text = path.read_text(encoding="utf-8")
    told = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    with path.open("rb") as file:
        lines = {
            line
            for token in tokenize.tokenize(file.readline)
            if token.type not in _NO_CODE
            for line in range(token.start[0], token.end[0] + 1)
        }
    return len(lines - told)


def main() -> None:
    """Print one object: by package, what was counted."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    sys.path.insert(0, str(root))
    counted = {}
    for package in PACKAGES:
        rooms, arrows = find_arrows(package)
        files = sorted((root / package).rglob("*.py"))
        counted[package] = {
            "rooms": len(rooms),
            "arrows": len(arrows),
            "upward": sorted(" -> ".join(arrow) for arrow in find_upward(rooms, arrows)),
            "files": len(files),
            "longest": max(len(file.read_text(encoding="utf-8").splitlines()) for file in files),
            "code": sum(map(count_code, files)),
        }
    sys.stdout.write(json.dumps(counted, indent=2) + "\n")


if __name__ == "__main__":
    main()
