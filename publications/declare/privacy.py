"""What may leave: each published column must be classified as public. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from db.errors import PonteError
from publications.declare.declaration import Declaration, LandedTable, Privacy
from publications.declare.names import TableName


class RefusalError(PonteError):
    """A reason why a plan must not be carried out."""


class UnpublishableColumnError(RefusalError):
    """A column that is not declared public is in a publication."""

    def __init__(self, *, table: TableName, column: str, publication: str, found: str) -> None:
        super().__init__(
            f"column {table}.{column} is {found} and in publication {publication}",
            f'take it out of the publication, or declare it public in [privacy."{table}"]',
        )
        self.table = table
        self.column = column


def check_privacy(declaration: Declaration) -> list[RefusalError]:
    """Return a refusal for each column of the intake that may not leave."""
    return [refusal for table in declaration.intake.tables for refusal in _check_table(declaration, table)]


def _check_table(declaration: Declaration, table: LandedTable) -> Iterable[RefusalError]:
    classes = declaration.privacy.get(table.name, Privacy())
    for column in table.columns:
        found = _class_of(column, classes)
        if found != "public":
            yield UnpublishableColumnError(
                table=table.name, column=column, publication=table.publication, found=found
            )


def _class_of(column: str, classes: Privacy) -> str:
    if column in classes.secret:
        return "secret"
    if column in classes.internal:
        return "internal"
    return "public" if column in classes.public else "not classified"
