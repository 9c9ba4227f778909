"""Every statement of the push: the three functions that its role may run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, LargeBinary, Select, Text, cast, column, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB


def take_body(nonce: str | None, digest: bytes, body: dict[str, Any]) -> Select[Any]:
    """Take a body, all or nothing: `became` and `counted`, by table."""
    taken = func.push.take(literal(nonce, Text), literal(digest, LargeBinary), literal(body, JSONB))
    return select(taken.table_valued(column("became", Text), column("counted", JSONB), name="taken"))


def find_wrong(body: dict[str, Any]) -> Select[Any]:
    """Find the first value that its column can't hold: `part`, the `place` of its change, and the `field`."""
    wrong = func.push.find_wrong(literal(body, JSONB))
    columns = (column("part", Integer), column("place", Integer), column("field", Text))
    return select(wrong.table_valued(*columns, name="wrong"))


def read_position() -> Select[Any]:
    """Read how far the newest source has come here."""
    found = func.push.position().table_valued(column("source", Text), column("position", Text), name="found")
    return select(found.c.source, cast(found.c.position, Text).label("position"))
