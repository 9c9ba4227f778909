"""Names of tables, read once from the text that declares them or from a catalog. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

PATTERN = r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$"


@dataclass(frozen=True, order=True)
class TableName:
    """A table by schema and name."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.name`."""
        schema, name = text.split(".", 1)
        return cls(schema, name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _: object, __: GetCoreSchemaHandler) -> CoreSchema:
        """Read what a declaration holds."""
        return core_schema.no_info_after_validator_function(
            cls.parse,
            core_schema.str_schema(pattern=PATTERN),
            serialization=core_schema.to_string_ser_schema(),
        )
