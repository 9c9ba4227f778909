"""How deep JSON text may be to be read: one look tells what a hundred rounds would, that take pairs away."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from db.engines import Connection
from tests.fix_clusters import Servers

WIDE = "[]" * 8000
"""So many brackets that depth is looked for at all."""
DEPTHS = {
    "brackets, a hundred": ("[" * 100 + "]" * 100, False),
    "brackets, one more": ("[" * 101 + "]" * 101, True),
    "braces, one more": ("{" * 101 + "}" * 101, True),
    "both in turn, of which a round takes two": ("{[" * 100 + "]}" * 100, False),
    "both in turn, one more": ("[" + "{[" * 100 + "]}" * 100 + "]", True),
    "both in turn, many": ("[{" * 5000 + "}]" * 5000, True),
    "many in a string": ('"' + "[" * 5000 + '"', False),
    "many that are closed at once": ("[{}]" * 5000, False),
    "many beside one another in one": ("[" + "[1]," * 5000 + "]", False),
}


@pytest.fixture
def vitrine(databases: Servers) -> Iterator[Connection]:
    """A superuser's session."""
    with databases.connect("vitrine") as conn:
        yield conn


def is_deep(conn: Connection, text: str) -> bool:
    [found] = conn.execute("SELECT projection.is_deep(%s)", [text]).fetchone() or [None]
    assert isinstance(found, bool)
    return found


def count_rounds(text: str) -> bool:
    """Tell by a hundred rounds alone."""
    for _ in range(100):
        text = text.replace("[]", "").replace("{}", "")
    return "[" in text or "{" in text


def test_text_is_deep_from_the_same_depth_on_as_by_rounds(vitrine: Connection) -> None:
    assert {name: is_deep(vitrine, WIDE + text) for name, (text, _) in DEPTHS.items()} == {
        name: deep for name, (_, deep) in DEPTHS.items()
    }
    assert not is_deep(vitrine, "[" * 200 + "]" * 200)  # few brackets are no danger
    rng = random.Random(39)
    for _ in range(60):
        rows = [rng.choice("[{") * rng.randint(1, 120) for _ in range(rng.randint(1, 4))]
        opened = "".join(rows)
        closed = "".join({"[": "]", "{": "}"}[one] for one in reversed(opened))
        text = opened + closed[: rng.choice([len(closed), rng.randint(0, len(closed))])]
        assert is_deep(vitrine, WIDE + text) is count_rounds(text), text
