"""Why a plan must not be carried out: every reason at once, each with its next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from publications.decide.facts import MIN_VERSION, EndpointFacts
from publications.decide.spec import EndpointSpec, Room, TableName
from publications.decide.wanted import Filters, SourceTables, key_of
from publications.declare.declaration import Declaration, Export, Intake, PublishedTable
from publications.declare.privacy import RefusalError, check_privacy

WINDOW_SCHEMAS = ("vitrine.", "projection.", "watch.", "worker.")


class ServerTooOldError(RefusalError):
    """Column lists and row filters came with PostgreSQL 15."""


class ServerSettingError(RefusalError):
    """The server is not set up for logical replication, or is full."""


class EncodingError(RefusalError):
    """A database whose encoding lacks letters, or does not know which they are."""


class MissingColumnError(RefusalError):
    """The source has no such column."""


class RenamedColumnError(RefusalError):
    """The source's column has another name now."""


class SourceIdentityError(RefusalError):
    """SGP's own table has another replica identity than its primary key, or none."""


class UnfitKeyError(RefusalError):
    """Rows of a table can't be named: UPDATE and DELETE fail at the source and are dropped at the target."""


class SubscriberColumnError(RefusalError):
    """The subscriber can't hold what would be sent."""


class HiddenRowsError(RefusalError):
    """Row security would hide rows from the initial copy, which then reports ready."""


class ForeignKeyError(RefusalError):
    """A foreign key on a table that replication writes stops apply when rows come in another order."""


class LooseFunctionError(RefusalError):
    """A trigger function without search_path fails inside apply, where it is empty."""


class ForeignDataError(RefusalError):
    """The exporting cluster holds more than the window, and its replication role reads all of it."""


class RevealingFilterError(RefusalError):
    """A filter on a column that is not published tells what it holds."""


class FilterIdentityError(RefusalError):
    """A filter's column may be NULL and so can't be part of a replica identity."""


class SecretInSubscriptionError(RefusalError):
    """A password in a connection string is read by everyone who reads the subscriber's catalog."""


@dataclass(frozen=True)
class Situation:
    """All that the refusals look at."""

    declaration: Declaration
    live: Mapping[str, EndpointSpec]
    facts: Mapping[str, EndpointFacts]
    source: SourceTables
    filters: Filters


def find_refusals(seen: Situation) -> tuple[RefusalError, ...]:
    """Return every reason, the gravest kind first."""
    return (
        *check_privacy(seen.declaration),
        *_check_versions(seen),
        *_check_encodings(seen),
        *_check_source_columns(seen),
        *_check_keys(seen),
        *_check_source_identities(seen),
        *_check_filters(seen),
        *_check_secrets(seen),
        *_check_exporting_cluster(seen),
        *_check_subscribers(seen),
        *_check_written_tables(seen),
        *_check_hidden_rows(seen),
        *_check_room(seen),
    )


def _check_versions(seen: Situation) -> Iterable[RefusalError]:
    for endpoint, facts in seen.facts.items():
        if facts.version_num < MIN_VERSION:
            yield ServerTooOldError(
                f"{endpoint} runs PostgreSQL {facts.version_num // 10000}, 15 or newer is needed",
                "upgrade that server first",
            )


def _check_encodings(seen: Situation) -> Iterable[RefusalError]:
    """SGP's may be any that the server translates on the way; what it brings must fit on our side."""
    for endpoint, facts in seen.facts.items():
        if endpoint == seen.declaration.intake.source:
            if facts.encoding == "SQL_ASCII":
                yield EncodingError(
                    f"{endpoint} has the encoding SQL_ASCII: a byte that is no UTF-8 would stop apply",
                    "dump it and load it into a database made with ENCODING 'UTF8' TEMPLATE template0",
                )
        elif facts.encoding != "UTF8":
            yield EncodingError(
                f"{endpoint} has the encoding {facts.encoding}, which can't hold every letter",
                "make it anew with ENCODING 'UTF8' TEMPLATE template0, then run 'ponte migrate'",
            )


def _check_source_columns(seen: Situation) -> Iterable[RefusalError]:
    intake = seen.declaration.intake
    if seen.facts[intake.source].assumed:  # nobody has looked
        return
    for table in intake.tables:
        name = TableName.parse(table.name)
        if name.schema == "ponte":
            continue
        columns = seen.source.get(name, {})
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


def _explain_missing(endpoint: str, table: str, column: str, new_name: str | None) -> RefusalError:
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


def _check_keys(seen: Situation) -> Iterable[RefusalError]:
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


def _check_source_identities(seen: Situation) -> Iterable[RefusalError]:
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


def _check_filters(seen: Situation) -> Iterable[RefusalError]:
    for hop in seen.declaration.active_exports:
        for table in hop.tables:
            known = seen.filters.get((TableName.parse(table.name), table.where or ""))
            for column in sorted(known.columns if known else ()):
                yield from _check_filter_column(seen, hop, table, column)


def _check_filter_column(
    seen: Situation, hop: Export, table: PublishedTable, column: str
) -> Iterable[RefusalError]:
    if column not in table.columns:
        yield RevealingFilterError(
            f"the filter of {table.publication} reads {table.name}.{column}, which is not published",
            "publish that column too, or filter by another",
        )
    if (table.name, column) in seen.facts[hop.source].nullable:
        yield FilterIdentityError(
            f"the filter of {table.publication} reads {table.name}.{column}, which may be NULL",
            "filter by a column that is NOT NULL: the row's identity must hold it",
        )


def _check_secrets(seen: Situation) -> Iterable[RefusalError]:
    for hop in seen.declaration.hops:
        if "password" in hop.connection:
            yield SecretInSubscriptionError(
                f"the declared connection of {hop.subscription} holds a password",
                "use passfile= in its CONNINFO variable",
            )


def _check_exporting_cluster(seen: Situation) -> Iterable[RefusalError]:
    """Whoever replicates from it reads the whole cluster: BASE_BACKUP asks no grants."""
    endpoint = seen.declaration.intake.target
    facts = seen.facts[endpoint]
    landing = {table.name for table in seen.declaration.intake.tables}
    foreign = sorted(name for name in facts.relations - landing if not name.startswith(WINDOW_SCHEMAS))
    found = [f"database {name}" for name in facts.databases] + [f"table {name}" for name in foreign]
    for name in found:
        yield ForeignDataError(
            f"{endpoint}'s cluster holds {name}, and whoever replicates from it can read that",
            "move it to another cluster: this one may hold the landing tables and the window only",
        )


def _check_subscribers(seen: Situation) -> Iterable[RefusalError]:
    """The window's tables on both ends must agree; landing tables are made to fit by the plan."""
    for hop in seen.declaration.active_exports:
        if seen.facts[hop.source].assumed or seen.facts[hop.target].assumed:
            continue
        for table in hop.tables:
            yield from _check_subscriber_table(seen, hop, table)


def _check_subscriber_table(seen: Situation, hop: Export, table: PublishedTable) -> Iterable[RefusalError]:
    name = TableName.parse(table.name)
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


def _check_written_tables(seen: Situation) -> Iterable[RefusalError]:
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


def _check_hidden_rows(seen: Situation) -> Iterable[RefusalError]:
    for hop in seen.declaration.hops:
        for table in sorted(seen.facts[hop.source].hidden):
            yield HiddenRowsError(
                f"row security on {hop.source}'s table {table} hides its rows from {hop.role}",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, or give {hop.role} BYPASSRLS yourself",
            )


def _check_room(seen: Situation) -> Iterable[RefusalError]:
    for endpoint, facts in seen.facts.items():
        if facts.assumed:
            continue
        out = [hop for hop in seen.declaration.hops if hop.source == endpoint]
        into = [hop for hop in seen.declaration.hops if hop.target == endpoint]
        if out and facts.wal_level != "logical":
            yield ServerSettingError(
                f"{endpoint} has wal_level = {facts.wal_level}", "set it to logical and restart that server"
            )
        new_slots = [hop for hop in out if hop.slot not in seen.live[endpoint].slots]
        new_subscriptions = [hop for hop in into if hop.subscription not in seen.live[endpoint].subscriptions]
        yield from _room(endpoint, "max_replication_slots", facts.slots, _needs(new_slots))
        yield from _room(endpoint, "max_wal_senders", facts.senders, _needs(new_slots))
        if into:
            yield from _check_workers(endpoint, facts, _needs(new_subscriptions))
        yield from _room(endpoint, "replication origins", facts.origins, _needs(new_subscriptions))


def _check_workers(endpoint: str, facts: EndpointFacts, needed: int) -> Iterable[RefusalError]:
    """Each subscription counts as in use whether it has its process or not: without one it stands still."""
    rooms = {"max_logical_replication_workers": facts.workers, "max_worker_processes": facts.processes}
    for name, room in rooms.items():
        yield from _room(endpoint, name, room, needed)
        if not needed and room.used > room.limit:
            yield ServerSettingError(
                f"{endpoint} has {name} = {room.limit}, and {room.used} are needed: nothing follows without",
                f"set {name} to {room.used + 1} or more and restart that server",
            )
    if facts.sync_workers == 0:
        yield ServerSettingError(
            f"{endpoint} has max_sync_workers_per_subscription = 0: no table is ever copied",
            "set it to 2 and reload that server",
        )


def _needs(hops: list[Intake | Export]) -> int:
    """One for each hop, and one for the copy of a table, which comes and goes."""
    return len(hops) + 1 if hops else 0


def _room(endpoint: str, what: str, room: Room, needed: int) -> Iterable[RefusalError]:
    if needed and room.used + needed > room.limit:
        yield ServerSettingError(
            f"{endpoint} has {room.limit} {what}, {room.used} in use, and {needed} more are needed",
            f"raise {what} and restart that server, or free some",
        )
