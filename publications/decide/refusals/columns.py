"""Columns that one end has and the other has not, or otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from publications.decide.refusals.situation import Situation
from publications.declare.declaration import Export, PublishedTable
from publications.declare.names import TableName
from publications.declare.privacy import RefusalError


class MissingColumnError(RefusalError):
    """The source has no such column."""


class MissingTableError(RefusalError):
    """SGP's file has no such table."""


class RenamedColumnError(RefusalError):
    """The source's column has another name now."""


class SubscriberColumnError(RefusalError):
    """The subscriber can't hold what would be sent."""


def check_source_columns(seen: Situation) -> Iterable[RefusalError]:
    """Refuse what the source has not, or not any more."""
    intake = seen.declaration.intake
    if seen.facts[intake.source].assumed:  # nobody has looked
        return
    for table in intake.tables:
        if table.name.schema == "ponte":
            continue
        columns = seen.source.get(table.name, {})
        if intake.is_fed and not columns:
            yield MissingTableError(
                f"{intake.source}'s file has no table {table.name.name}",
                "if SGP has renamed it, rename it back; if it is gone, take it out of the declaration",
            )
            continue
        missing = [column for column in table.columns if column not in columns]
        new_name = _renamed_to(seen, table, missing, columns.keys())
        for column in missing:
            yield _explain_missing(intake.source, table.name, column, new_name)


def _renamed_to(
    seen: Situation, table: PublishedTable, missing: list[str], columns: Iterable[str]
) -> str | None:
    """A publication's list follows a rename: what it has and nobody declared is the new name."""
    live = seen.live[seen.declaration.intake.source].publications.get(table.publication)
    listed = {column for part in live.tables for column in part.columns or ()} if live else set()
    candidates = sorted((listed & set(columns)) - set(table.columns))
    return candidates[0] if len(candidates) == 1 and len(missing) == 1 else None


def _explain_missing(endpoint: str, table: TableName, column: str, new_name: str | None) -> RefusalError:
    if new_name is None:
        return MissingColumnError(
            f"{endpoint} has no column {table}.{column}",
            "take it out of the declaration and apply; the subscribers keep what they have",
        )
    return RenamedColumnError(
        f"{endpoint} has renamed {table}.{column} to {new_name}; apply stands still since the next change",
        f"rename it back with ALTER TABLE {table} RENAME COLUMN {new_name} TO {column}, or take {column} out"
        " of the declaration; then run 'ponte apply': it renews the slot and copies over what is there",
    )


def check_subscribers(seen: Situation) -> Iterable[RefusalError]:
    """The window's tables on both ends must agree; landing tables are made to fit by the plan."""
    for hop in seen.declaration.active_exports:
        if seen.facts[hop.source].assumed or seen.facts[hop.target].assumed:
            continue
        for table in hop.tables:
            yield from _check_subscriber_table(seen, hop, table)


def _check_subscriber_table(seen: Situation, hop: Export, table: PublishedTable) -> Iterable[RefusalError]:
    name = table.name
    here = seen.facts[hop.source].columns.get(name, {})
    there = seen.facts[hop.target].columns.get(name, {})
    for column in table.columns:
        if column not in here:
            yield MissingColumnError(
                f"{hop.source} has no column {name}.{column}",
                "run 'ponte migrate', or take it out of the declaration",
            )
        elif column not in there:
            yield SubscriberColumnError(
                f"{hop.target} has no column {name}.{column}, apply would stop",
                f"run 'ponte migrate'; if the column was dropped by hand, add it again as {here[column]}",
            )
        elif here[column] != there[column]:
            yield SubscriberColumnError(
                f"{name}.{column} is {here[column]} on {hop.source} and {there[column]} on {hop.target}",
                f"ALTER TABLE {name} ALTER COLUMN {column} TYPE {here[column]} on {hop.target}",
            )
