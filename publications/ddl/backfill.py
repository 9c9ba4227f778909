"""The SQL that fills new columns of old rows, or sweeps rows away, without copying a table. Pure."""

from __future__ import annotations

from psycopg import sql

from publications.ddl.statement import Statement, compose, join, name_of, table_of
from publications.ddl.tables import note
from publications.decide.changes import Backfill, EmptyColumns
from publications.decide.spec import SWEEP

STAGE = "ponte_stage"


def stage_query(change: Backfill) -> Statement:
    """Return the SELECT that reads, at the source, keys and new columns of the rows that belong here."""
    wanted = join(map(name_of, (change.key, *_values(change))))
    query = compose("SELECT {} FROM {}", wanted, table_of(change.table))
    return query if change.where is None else query + compose(" WHERE {}", sql.SQL(change.where))


def backfill_statements(change: Backfill) -> tuple[list[Statement], list[Statement]]:
    """Return what runs at the target, in one transaction, before and after the rows are staged.

    The lock comes first: apply waits for it, so what is staged is never older than what is here, and
    whatever apply brings afterwards comes in its own order.
    """
    table, columns = table_of(change.table), _values(change)
    wanted = join(map(name_of, (change.key, *columns)))
    before = [
        compose("SET LOCAL session_replication_role = replica"),
        compose("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table),
        compose(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0", name_of(STAGE), wanted, table
        ),
    ]
    after = [_fill(change, columns)] if columns else []
    if SWEEP in change.columns:
        after.append(
            compose(
                "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS s WHERE s.{} = t.{})",
                table,
                name_of(STAGE),
                name_of(change.key),
                name_of(change.key),
            )
        )
    return before, [*after, *(note(change.table, column, None) for column in change.columns)]


def _values(change: Backfill) -> list[str]:
    return [column for column in change.columns if column != SWEEP]


def _fill(change: Backfill, columns: list[str]) -> Statement:
    here = join(compose("t.{}", name_of(column)) for column in columns)
    there = join(compose("s.{}", name_of(column)) for column in columns)
    return compose(
        "UPDATE {} AS t SET ({}) = ROW({}) FROM {} AS s WHERE s.{} = t.{} AND ({}) IS DISTINCT FROM ({})",
        table_of(change.table),
        join(map(name_of, columns)),
        there,
        name_of(STAGE),
        name_of(change.key),
        name_of(change.key),
        here,
        there,
    )


def backfill_script(change: Backfill) -> list[Statement]:
    """Return the same for psql, by hand: the rows go through a file that \\copy wrote at the source."""
    before, after = backfill_statements(change)
    source = change.source
    file = f"{change.table}.copy"
    read = compose("\\copy ({}) TO {}", stage_query(change), file)
    write = compose("\\copy {} FROM {}", name_of(STAGE), file)
    return [
        compose("BEGIN"),
        *before,
        compose("\\echo now on {}: {}", sql.SQL(source), read),
        compose("\\prompt 'Enter when it is done ' done"),
        write,
        *after,
        compose("COMMIT"),
    ]


def wait_script(change: EmptyColumns) -> list[Statement]:
    """Return, for psql, by hand, the wait for what was sent before: it may still bring what is to go."""
    asked = compose(
        "SELECT confirmed_flush_lsn >= pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = {}",
        change.slot,
    )
    return [
        compose("\\echo ask on {} until it says t: {}", sql.SQL(change.source), asked),
        compose("\\prompt 'Enter when it does ' done"),
    ]
