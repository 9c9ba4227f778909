"""Names of tables, read once from the text that declares them or from a catalog. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, GetCoreSchemaHandler, PlainSerializer, StringConstraints

Declared = StringConstraints(pattern=r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$")


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
    def __get_pydantic_core_schema__(cls, _: object, handler: GetCoreSchemaHandler) -> Any:
        """Read what a declaration holds."""
        return handler.generate_schema(
            Annotated[str, Declared, AfterValidator(cls.parse), PlainSerializer(str)]
        )


HEARTBEAT = TableName("ponte", "heartbeat")
"""The table in SGP that is Ponte's own."""
