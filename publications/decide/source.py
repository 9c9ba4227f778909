"""SGP's columns, as its server has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from publications.declare.names import TableName


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it."""

    type: str
    built_in: bool
    in_key: bool = False


SourceTables = Mapping[TableName, Mapping[str, SourceColumn]]
