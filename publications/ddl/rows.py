"""The SQL that fills, sweeps and empties rows without copying a table, and what is noted of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from psycopg import sql

from publications.ddl.acts import Act, AwaitArrival, AwaitCopies, CarryRows, Part, Together
from publications.ddl.notes import mark, note
from publications.ddl.statement import Statement, compose, given_sql, join, name_of, table_of
from publications.decide.changes.rows import (
    Backfill,
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
    RenewVersions,
    RowStep,
)
from publications.decide.spec import SWEEP, GapSpec
from publications.declare.names import TableName

STAGE = "ponte_stage"


def row_to_sql(step: RowStep) -> list[Act]:  # noqa: PLR0911  # one short arm per kind
    """Return what is done with the rows that are there."""
    match step:
        case MarkBackfill(table=table, columns=columns):
            return [mark(table, column) for column in columns]
        case ForgetMarks(table=table, columns=columns):
            return [note(table, column, None) for column in columns]
        case Backfill():
            return _backfill(step)
        case EmptyColumns(table=table, columns=emptied, source=source, slot=slot):
            return [AwaitArrival(source, slot, table), Together(tuple(_empty_columns(table, emptied)))]
        case RenewVersions(tables=stamped, above=above):
            return [Together(tuple(_renew_versions(stamped, above)))]
        case NoteGap(notes=notes, gap=noted):
            return [_note_gap(notes, noted)]
        case CloseGap(notes=notes, gap=gap):
            return [_close_gap(notes, gap)]
        case _:
            assert_never(step)


def _backfill(step: Backfill) -> list[Act]:
    """Wait until nothing is copied to either end, and fill.

    At the target a copy would bring back what a sweep takes away; at the source it may still bring what the
    sweep would miss. The lock comes before what is staged: apply waits for it, so that is never older than
    what is here, and whatever apply brings afterwards comes in its own order.
    """
    table, columns = table_of(step.table), [column for column in step.columns if column != SWEEP]
    wanted = join(map(name_of, (step.key, *columns)))
    parts: list[Part] = [
        compose("SET LOCAL session_replication_role = replica"),
        compose("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table),
        compose(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0", name_of(STAGE), wanted, table
        ),
        CarryRows(step.source, _stage_query(step, wanted), STAGE, f"{step.table}.copy"),
    ]
    parts += [_fill(step, columns)] if columns else []
    parts += [_sweep(step)] if SWEEP in step.columns else []
    parts += [note(step.table, column, None) for column in step.columns]
    waits = [AwaitCopies(step.source), AwaitCopies(step.endpoint)]
    return [*waits, Together(tuple(parts), what=f"fill {step.table}")]


def _stage_query(step: Backfill, wanted: sql.Composed) -> Statement:
    """Read, at the source, keys and new columns of the rows that belong here."""
    query = compose("SELECT {} FROM {}", wanted, table_of(step.table))
    return query if step.where is None else query + compose(" WHERE {}", given_sql(step.where))


def _sweep(step: Backfill) -> Statement:
    return compose(
        "DELETE FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS s WHERE s.{} = t.{})",
        table_of(step.table),
        name_of(STAGE),
        name_of(step.key),
        name_of(step.key),
    )


def _fill(step: Backfill, columns: list[str]) -> Statement:
    here = join(compose("t.{}", name_of(column)) for column in columns)
    there = join(compose("s.{}", name_of(column)) for column in columns)
    return compose(
        "UPDATE {} AS t SET ({}) = ROW({}) FROM {} AS s WHERE s.{} = t.{} AND ({}) IS DISTINCT FROM ({})",
        table_of(step.table),
        join(map(name_of, columns)),
        there,
        name_of(STAGE),
        name_of(step.key),
        name_of(step.key),
        here,
        there,
    )


def _empty_columns(table: TableName, columns: Sequence[tuple[str, str]]) -> list[Statement]:
    """As replication writes: an ordinary session may not write a subscriber's tables."""
    pairs = [(name_of(name), given_sql(value)) for name, value in columns]
    return [
        compose("SET LOCAL session_replication_role = replica"),
        compose(
            "UPDATE {} SET {} WHERE {}",
            table_of(table),
            join(compose("{} = {}", *pair) for pair in pairs),
            sql.SQL(" OR ").join(compose("{} IS DISTINCT FROM {}", *pair) for pair in pairs),
        ),
    ]


def _note_gap(notes: TableName, gap: GapSpec) -> Statement:
    """Note that each table has been marked for what is missing."""
    return compose("UPDATE {} SET noted = true WHERE id <= {}", table_of(notes), sql.Literal(gap.up_to))


def _close_gap(notes: TableName, gap: GapSpec | None) -> Statement:
    """Take away the notes of a gap, or all of them."""
    every = compose("DELETE FROM {}", table_of(notes))
    return every if gap is None else every + compose(" WHERE id <= {}", sql.Literal(gap.up_to))


def _renew_versions(tables: Sequence[TableName], above: int) -> list[Statement]:
    """Give each row another version; unlike setval, RESTART is undone with its transaction."""
    restart = compose("ALTER SEQUENCE projection.versao_seq RESTART WITH {}", sql.Literal(above + 1))
    return [
        restart,
        *(compose("UPDATE {} SET versao = versao", table_of(table)) for table in tables),
    ]
