"""What one end's difference means for the other end's data: which rows must be moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from publications.changes import Backfill, Change, CopyAgain, MarkBackfill
from publications.spec import (
    SWEEP,
    EndpointSpec,
    HopSpec,
    PublicationSpec,
    PublishedTableSpec,
    SubscriptionSpec,
    TableName,
    TableSpec,
)

Endpoints = Mapping[str, EndpointSpec]


def diff_flow(hop: HopSpec, wanted: Endpoints, live: Endpoints) -> list[Change]:
    """Return the steps that move data which the changed publications will not bring by themselves."""
    subscription = wanted[hop.target].subscriptions.get(hop.subscription)
    known = live[hop.target].subscriptions.get(hop.subscription)
    if subscription is None or known is None:
        return []  # a new subscription copies everything
    return [
        step
        for table, publication in hop.publications.items()
        if table in known.tables
        for step in _diff_table(
            hop,
            table,
            subscription,
            new=wanted[hop.source].publications[publication],
            old=live[hop.source].publications.get(publication),
            there=live[hop.target].tables.get(table),
        )
    ]


def _diff_table(
    hop: HopSpec,
    table: TableName,
    subscription: SubscriptionSpec,
    *,
    new: PublicationSpec,
    old: PublicationSpec | None,
    there: TableSpec | None,
) -> Iterable[Change]:
    pending = there.pending if there else frozenset()
    if _missed_rows(table, new, old):
        if SWEEP not in pending:
            yield MarkBackfill(hop.target, table, (SWEEP,))
        yield CopyAgain(hop.target, subscription, new.name, table)
        pending |= {SWEEP}
    elif added := _added_columns(table, new, old) | _absent_columns(table, new, there):
        if unmarked := added - pending:
            yield MarkBackfill(hop.target, table, tuple(sorted(unmarked)))
        pending |= added
    if pending:
        yield Backfill(
            hop.target, table, tuple(sorted(pending)), hop.source, hop.keys[table], hop.wheres.get(table)
        )


def _missed_rows(table: TableName, new: PublicationSpec, old: PublicationSpec | None) -> bool:
    """Tell whether changes may have passed unseen, or rows belong to the filter that did not."""
    before = find_table(old, table)
    after = find_table(new, table)
    if old is None or before is None or after is None:
        return True
    return before.where != after.where or not new.operations <= old.operations


def _added_columns(table: TableName, new: PublicationSpec, old: PublicationSpec | None) -> frozenset[str]:
    before, after = find_table(old, table), find_table(new, table)
    if before is None or after is None or before.columns is None or after.columns is None:
        return frozenset()
    return after.columns - before.columns


def _absent_columns(table: TableName, new: PublicationSpec, there: TableSpec | None) -> frozenset[str]:
    """Return the columns that are sent and have, or had until this plan, no place to land."""
    sent = find_table(new, table)
    if there is None or sent is None or sent.columns is None:
        return frozenset()
    return sent.columns - there.columns.keys()


def find_table(publication: PublicationSpec | None, table: TableName) -> PublishedTableSpec | None:
    """Return the table's part in a publication."""
    tables = publication.tables if publication else ()
    return next((part for part in tables if part.table == table), None)
