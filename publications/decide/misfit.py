"""Whether what a slot has still to send can be applied where it goes: WAL keeps a column's name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from publications.declare.names import TableName

Columns = Mapping[str, str]
"""By name: the type, in the server's words."""

_INTEGERS = ("smallint", "integer", "bigint", "numeric")
_WIDER: Mapping[str, tuple[str, ...]] = {
    "smallint": _INTEGERS[1:],
    "integer": _INTEGERS[2:],
    "bigint": _INTEGERS[3:],
    "real": ("double precision", "numeric"),
    "double precision": ("numeric",),
    "date": ("timestamp without time zone", "timestamp with time zone"),
    "json": ("jsonb",),
    "jsonb": ("json",),
    "character varying": ("text",),
    "text": ("character varying",),
}
"""Which types take all that another one writes; text takes everything."""


@dataclass(frozen=True)
class SentRelation:
    """A table as some changes in a slot have it."""

    table: TableName
    columns: Columns


def find_misfit(sent: Iterable[SentRelation] | None, held: Mapping[TableName, Columns]) -> str:
    """Say what of it can't be applied, or nothing. held: the tables where it goes, as they will be."""
    if sent is None:
        return "it holds changes from before one of its publications was made"
    for relation in sent:
        known = held.get(relation.table)
        if not known:
            return f"it holds changes of {relation.table}, which nothing takes"
        for column, type_ in relation.columns.items():
            there = known.get(column)
            if there is None:
                return f"it holds changes of {relation.table} with a column {column}, which nothing takes"
            if not _takes(there, type_):
                return f"it holds changes of {relation.table} with {column} as {type_}, not {there}"
    return ""


def _takes(there: str, sent: str) -> bool:
    return there in {sent, "text"} or there in _WIDER.get(sent, ())
