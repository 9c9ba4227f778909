"""What one end's difference means for the other end's data: which rows must be moved. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from publications.decide.anew import begins_anew
from publications.decide.changes.rows import (
    Backfill,
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
)
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import CopyAgain
from publications.decide.spec import (
    COPY,
    SWEEP,
    EndpointSpec,
    HopSpec,
    PublicationSpec,
    PublishedTableSpec,
    SubscriptionSpec,
    TableSpec,
)
from publications.declare.names import TableName

Endpoints = Mapping[str, EndpointSpec]


def diff_flow(hop: HopSpec, wanted: Endpoints, live: Endpoints) -> list[Step]:
    """Return the steps that move or empty data which the changed publications leave as it is."""
    subscription = wanted[hop.target].subscriptions.get(hop.subscription)
    if subscription is None:
        return []
    known = live[hop.target].subscriptions.get(hop.subscription)
    anew = begins_anew(hop, wanted, live)
    gap, notes = live[hop.target].gap, live[hop.target].gap_notes
    gap_is_new = gap is not None and not gap.noted
    steps: list[Step] = [
        EmptyColumns(hop.target, table, tuple(columns.items()), hop.source, subscription.slot or "")
        for table, columns in live[hop.target].stale.items()
    ]
    for table, publication in hop.publications.items():
        there = live[hop.target].tables.get(table)
        if known is None or table not in known.tables:
            steps += _sweep_after_copy(hop, table, there, wanted[hop.source].publications[publication])
            continue
        steps += _diff_table(
            hop,
            table,
            subscription,
            new=wanted[hop.source].publications[publication],
            old=live[hop.source].publications.get(publication),
            there=there,
            gap=gap_is_new or anew or publication not in known.publications,
            lost=table in live[hop.target].lost,
        )
    if notes and gap and gap_is_new:
        steps.append(NoteGap(hop.target, notes, gap))
    if notes and (gap or anew):
        steps.append(CloseGap(hop.target, notes, None if anew else gap))
    return steps


def _sweep_after_copy(
    hop: HopSpec, table: TableName, there: TableSpec | None, new: PublicationSpec
) -> Iterable[Step]:
    """A first copy over rows that are there brings what is new; what went meanwhile must be swept."""
    if there is None or not (there.filled or there.pending):
        return
    if given_up := _find_given_up(there.pending, table, new):
        yield ForgetMarks(hop.target, table, tuple(sorted(given_up)))
    if SWEEP not in there.pending:
        yield MarkBackfill(hop.target, table, (SWEEP,))
    columns = tuple(sorted(there.pending - given_up - {COPY} | {SWEEP}))
    yield Backfill(hop.target, table, columns, hop.source, hop.keys[table], hop.wheres.get(table))


def _diff_table(
    hop: HopSpec,
    table: TableName,
    subscription: SubscriptionSpec,
    *,
    new: PublicationSpec,
    old: PublicationSpec | None,
    there: TableSpec | None,
    gap: bool,
    lost: bool,
) -> Iterable[Step]:
    """Compare one table. gap: what came in between is missing, the slot is new, or nothing follows it.

    lost: rows are; what is marked already is on its way to be right.
    """
    pending = there.pending if there else frozenset()
    if given_up := _find_given_up(pending, table, new):
        yield ForgetMarks(hop.target, table, tuple(sorted(given_up)))
        pending -= given_up
    if gap or (lost and not pending) or COPY in pending or _missed_rows(table, new, old):
        if COPY not in pending:
            yield MarkBackfill(hop.target, table, (COPY,))
        yield CopyAgain(hop.target, subscription, new.name, table)
        pending = pending - {COPY} | {SWEEP}
    elif added := _added_columns(table, new, old) | _absent_columns(table, new, there):
        if unmarked := added - pending:
            yield MarkBackfill(hop.target, table, tuple(sorted(unmarked)))
        pending |= added
    if pending:
        yield Backfill(
            hop.target, table, tuple(sorted(pending)), hop.source, hop.keys[table], hop.wheres.get(table)
        )


def _find_given_up(pending: frozenset[str], table: TableName, new: PublicationSpec) -> frozenset[str]:
    """Return the columns that were to be filled and are not sent any more."""
    return pending - _sent_columns(table, new) - {SWEEP, COPY}


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
    return _sent_columns(table, new) - there.columns.keys() if there else frozenset()


def _sent_columns(table: TableName, publication: PublicationSpec) -> frozenset[str]:
    sent = find_table(publication, table)
    return sent.columns if sent and sent.columns else frozenset()


def find_table(publication: PublicationSpec | None, table: TableName) -> PublishedTableSpec | None:
    """Return the table's part in a publication."""
    tables = publication.tables if publication else ()
    return next((part for part in tables if part.table == table), None)
