"""What would hide rows, or keep them from being named or written. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from publications.decide.hops import key_of
from publications.decide.refusals.situation import Situation
from publications.declare.privacy import RefusalError


class SourceIdentityError(RefusalError):
    """SGP's own table has another replica identity than its primary key, or none."""


class UnfitKeyError(RefusalError):
    """Rows of a table can't be named: UPDATE and DELETE fail at the source and are dropped at the target."""


class HiddenRowsError(RefusalError):
    """Row security would hide rows from the initial copy, which then reports ready."""


class ForeignKeyError(RefusalError):
    """A foreign key on a table that replication writes stops apply when rows come in another order."""


class LooseFunctionError(RefusalError):
    """A trigger function without search_path fails inside apply, where it is empty."""


def check_keys(seen: Situation) -> Iterable[RefusalError]:
    """Refuse tables whose rows have no fit name."""
    for endpoint, facts in seen.facts.items():
        for key in facts.unfit_keys:
            name, column = key.table, key_of(key.table)
            add = f"ADD PRIMARY KEY ({column})"
            match key.fault:
                case "missing":
                    fact, hint = "has no primary key", f"ALTER TABLE {name} {add}"
                case "deferrable":
                    fact = f"has the deferrable primary key {key.constraint}, which can't name a row"
                    hint = f"ALTER TABLE {name} DROP CONSTRAINT {key.constraint}, {add}"
                case "invalid":
                    fact = f"has the primary key {key.constraint}, whose index is not valid"
                    hint = f"REINDEX TABLE CONCURRENTLY {name}"
            yield UnfitKeyError(
                f"{endpoint}'s table {name} {fact}", f"on {endpoint}: {hint}; then run 'ponte apply'"
            )


def check_source_identities(seen: Situation) -> Iterable[RefusalError]:
    """Only SGP's: the window's own identities are set by the plan."""
    source = seen.declaration.intake.source
    unfit = {key.table for key in seen.facts[source].unfit_keys}
    for name, identity in seen.live[source].identities.items():
        if name in unfit:
            continue
        key = {seen.live[source].keys[name]} if name in seen.live[source].keys else set()
        if identity.full or identity.columns != key or not key:
            yield SourceIdentityError(
                f"{source}'s table {name} does not name its rows by its primary key",
                f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT: with another one updates in the shop can fail",
            )


def check_written_tables(seen: Situation) -> Iterable[RefusalError]:
    """Refuse what stops apply in a table that it writes."""
    for endpoint, facts in seen.facts.items():
        for table, constraint in facts.foreign_keys:
            yield ForeignKeyError(
                f"{endpoint}'s table {table} has the foreign key {constraint}",
                f"ALTER TABLE {table} DROP CONSTRAINT {constraint}: rows of two tables come in any order",
            )
        for table, function in facts.loose_functions:
            yield LooseFunctionError(
                f"{endpoint}'s table {table} has the trigger function {function} without a search_path",
                f"ALTER FUNCTION {function}() SET search_path = pg_catalog, and name its schemas",
            )


def check_hidden_rows(seen: Situation) -> Iterable[RefusalError]:
    """Refuse tables whose rows the reader would not see."""
    for hop in seen.declaration.publishing:
        for table in sorted(seen.facts[hop.source].hidden):
            yield HiddenRowsError(
                f"row security on {hop.source}'s table {table} hides its rows from {hop.role}",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, or give {hop.role} BYPASSRLS yourself",
            )
