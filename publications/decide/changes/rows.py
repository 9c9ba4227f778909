"""What has to be done with rows that are there, and what is noted of that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Consequence, Phase
from publications.decide.spec import GapSpec
from publications.declare.names import TableName


@dataclass(frozen=True)
class MarkBackfill(Change):
    """Note that old rows lack what a column will bring, so that a killed apply finds it again."""

    table: TableName
    columns: tuple[str, ...]
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class ForgetMarks(Change):
    """Take back notes of columns that are not sent any more: the source may not even have them."""

    table: TableName
    columns: tuple[str, ...]
    phase = Phase.WITHDRAWALS


@dataclass(frozen=True)
class Backfill(Change):
    """Fill new columns of old rows from the source, and take away rows that it has no more.

    One of `columns` may be `SWEEP`. The table is not copied again.
    """

    table: TableName
    columns: tuple[str, ...]
    source: str
    """The endpoint that has them."""
    key: str
    where: str | None = None
    """Which of the source's rows belong here."""
    phase = Phase.BACKFILLS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class EmptyColumns(Change):
    """Take away what columns still hold that are not declared any more, when all that was sent has come."""

    table: TableName
    columns: tuple[tuple[str, str], ...]
    """Names, and the SQL of what stands there instead."""
    source: str
    """The endpoint that sent it."""
    slot: str
    """That sends to this table."""
    phase = Phase.WITHDRAWALS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class RenewVersions(Change):
    """Give each row a version above all that were given before the source was put back.

    In one transaction: with new numbers ahead and old ones in the rows nobody would see what is missing.
    """

    tables: tuple[TableName, ...]
    above: int
    phase = Phase.RESETS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class NoteGap(Change):
    """Note that each table has been marked: an apply that is ended goes on with them, and not anew."""

    notes: TableName
    gap: GapSpec
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class CloseGap(Change):
    """Note that what was lost on the way is here again, now that all is copied and swept."""

    notes: TableName
    gap: GapSpec | None
    """As it was known before the copies began; None where a new slot opens one meanwhile."""
    phase = Phase.SETTLEMENTS


RowStep = MarkBackfill | ForgetMarks | Backfill | EmptyColumns | RenewVersions | NoteGap | CloseGap
