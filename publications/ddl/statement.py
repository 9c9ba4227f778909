"""How statements are put together: names quoted, values as literals, SQL from elsewhere read first. Pure.

What a catalog holds is anybody's text, and these statements are printed for psql too, which runs what follows
a backslash. So no statement holds a control character: names and literals are written with escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from psycopg import abc, sql

from db.errors import PonteError
from db.shown import CONTROL, show
from publications.declare.names import TableName

Statement = sql.Composed

_WITHIN = re.compile(
    r"""(?:[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^'\\]|'')*'|"(?:[^"]|"")*"|[()]|::|/(?!\*)|-(?!-)|[^'"\\;$:/()-])""",
)
"""One token of an expression that ends nothing, begins no comment, and is nothing to psql."""


class UnsafeSqlError(PonteError):
    """What a catalog holds can't stand in a statement."""


class _Written(sql.Composable):
    """SQL that was quoted here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def as_bytes(self, context: abc.AdaptContext | None = None) -> bytes:  # noqa: ARG002  # psycopg's signature
        return self.text.encode()


def compose(template: str, *parts: sql.Composable | str) -> Statement:
    """Put parts into a template of this package; text becomes a literal."""
    return sql.SQL(template).format(
        *(part if isinstance(part, sql.Composable) else literal_of(part) for part in parts)
    )


def literal_of(text: str) -> sql.Composable:
    """Return a text as a literal; `$` is escaped too where it could end a body."""
    if not CONTROL.search(text) and "$wait" not in text:
        return sql.Literal(text)
    doubled = text.replace("\\", "\\\\").replace("'", "''").replace("$", "\\u0024")
    return _Written("E'" + CONTROL.sub(lambda found: f"\\U{ord(found[0]):08x}", doubled) + "'")


def name_of(*names: str) -> sql.Composable:
    """Quote a name."""
    if not any(map(CONTROL.search, names)):
        return sql.Identifier(*names)
    return _Written(".".join(map(_escape_name, names)))


def _escape_name(name: str) -> str:
    doubled = name.replace("\\", "\\\\").replace('"', '""')
    return 'U&"' + CONTROL.sub(lambda found: f"\\+{ord(found[0]):06x}", doubled) + '"'


def given_sql(text: str) -> sql.Composable:
    """Return a type, an expression or arguments that a catalog or a declaration holds.

    Raise UnsafeSqlError for what is more than that, such as a second statement: a server may lie.
    """
    tokens, depth, place = [], 0, 0
    while (token := _WITHIN.match(text, place)) is not None and depth >= 0:
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        tokens.append(" " if token[0] in "\n\r\t" else token[0])
        place = token.end()
    line = "".join(tokens)
    if place < len(text) or depth != 0 or CONTROL.search(line):
        raise UnsafeSqlError(
            f"a catalog holds what is no SQL of one piece: {show(text[:80])}",
            "look at that object by hand: somebody may have put it there",
        )
    return _Written(line)


def table_of(name: TableName) -> sql.Composable:
    """Quote a table's name."""
    return name_of(name.schema, name.name)


def join(parts: Iterable[sql.Composable]) -> sql.Composed:
    """Put commas between parts."""
    return sql.SQL(", ").join(parts)
