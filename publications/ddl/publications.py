"""The SQL of publications and slots. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from psycopg import sql

from publications.ddl.acts import Act, Together
from publications.ddl.statement import Statement, compose, given_sql, join, name_of, table_of
from publications.decide.changes.publications import (
    CreatePublication,
    CreateSlot,
    DropPublication,
    DropSlot,
    PublisherStep,
    RenewSlot,
    ReplacePublication,
    SetOperations,
    SetPublishedTables,
)
from publications.decide.spec import PublicationSpec, PublishedTableSpec, SlotSpec


def publisher_to_sql(step: PublisherStep) -> list[Act]:  # noqa: PLR0911  # one short arm per kind
    """Return what changes that which is sent."""
    match step:
        case CreatePublication(publication=publication):
            return [_create_publication(publication)]
        case ReplacePublication(publication=publication):
            return [Together((_drop_publication(publication.name), _create_publication(publication)))]
        case SetPublishedTables(publication=publication):
            tables = join(_published(table) for table in _sorted(publication.tables))
            return [compose("ALTER PUBLICATION {} SET TABLE {}", name_of(publication.name), tables)]
        case SetOperations(publication=publication):
            name, operations = name_of(publication.name), _operations(publication)
            return [compose("ALTER PUBLICATION {} SET ({})", name, operations)]
        case DropPublication(name=dropped):
            return [_drop_publication(dropped)]
        case CreateSlot(slot=slot):
            return [_create_slot(slot)]
        case RenewSlot(slot=slot):
            return [_drop_slot(slot), _create_slot(slot)]
        case DropSlot(slot=slot):
            return [_drop_slot(slot)]
        case _:
            assert_never(step)


def _drop_publication(name: str) -> Statement:
    return compose("DROP PUBLICATION {}", name_of(name))


def _create_slot(slot: SlotSpec) -> Statement:
    return compose("SELECT pg_create_logical_replication_slot({}, {})", slot.name, slot.plugin)


def _drop_slot(slot: SlotSpec) -> Statement:
    return compose("SELECT pg_drop_replication_slot({})", slot.name)


def _sorted(tables: Iterable[PublishedTableSpec]) -> list[PublishedTableSpec]:
    return sorted(tables, key=lambda table: table.table)


def _published(table: PublishedTableSpec) -> sql.Composed:
    parts: list[sql.Composable] = [table_of(table.table)]
    if table.columns is not None:
        parts.append(compose("({})", join(map(name_of, sorted(table.columns)))))
    if table.where is not None:
        parts.append(compose("WHERE ({})", given_sql(table.where)))
    return sql.SQL(" ").join(parts)


def _operations(publication: PublicationSpec) -> sql.Composed:
    return compose("publish = {}", ", ".join(sorted(publication.operations)))


def _create_publication(publication: PublicationSpec) -> Statement:
    tables = join(_published(table) for table in _sorted(publication.tables))
    return compose(
        "CREATE PUBLICATION {} FOR TABLE {} WITH ({})",
        name_of(publication.name),
        tables,
        _operations(publication),
    )
