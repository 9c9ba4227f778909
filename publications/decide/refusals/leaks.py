"""What would leave that must not: columns told by a filter, secrets, other data of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from publications.decide.refusals.situation import Situation
from publications.declare.declaration import Export, PublishedTable
from publications.declare.privacy import RefusalError

WINDOW_SCHEMAS = ("vitrine.", "projection.", "watch.", "push.", "worker.")


class ForeignDataError(RefusalError):
    """The exporting cluster holds more than the window, and its replication role reads all of it."""


class RevealingFilterError(RefusalError):
    """A filter on a column that is not published tells what it holds."""


class FilterIdentityError(RefusalError):
    """A filter's column may be NULL and so can't be part of a replica identity."""


class SecretInSubscriptionError(RefusalError):
    """A password in a connection string is read by everyone who reads the subscriber's catalog."""


def check_filters(seen: Situation) -> Iterable[RefusalError]:
    """Refuse filters by columns that are not sent or may be NULL."""
    for hop in seen.declaration.active_exports:
        for table in hop.tables:
            known = seen.filters.get((table.name, table.where or ""))
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


def check_secrets(seen: Situation) -> Iterable[RefusalError]:
    """Refuse passwords that a catalog would show."""
    for hop in seen.declaration.hops:
        if "password" in hop.connection:
            yield SecretInSubscriptionError(
                f"the declared connection of {hop.subscription} holds a password",
                "use passfile= in its CONNINFO variable",
            )


def check_exporting_cluster(seen: Situation) -> Iterable[RefusalError]:
    """Whoever replicates from it reads the whole cluster: BASE_BACKUP asks no grants."""
    endpoint = seen.declaration.intake.target
    facts = seen.facts[endpoint]
    landing = {str(table.name) for table in seen.declaration.intake.tables}
    foreign = sorted(name for name in facts.relations - landing if not name.startswith(WINDOW_SCHEMAS))
    found = [f"database {name}" for name in facts.databases] + [f"table {name}" for name in foreign]
    for name in found:
        yield ForeignDataError(
            f"{endpoint}'s cluster holds {name}, and whoever replicates from it can read that",
            "move it to another cluster: this one may hold the landing tables and the window only",
        )
