"""What can differ of the tables that Ponte makes, and of how rows are named. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Consequence, Phase
from publications.decide.spec import ColumnSpec, IdentitySpec, TableSpec, TriggerSpec
from publications.declare.names import TableName


@dataclass(frozen=True)
class CreateTable(Change):
    """Make a landing table or the heartbeat, which without its row would never get one."""

    table: TableSpec
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class StartHeart(Change):
    """Put the heartbeat's row back, which the worker only counts up."""

    table: TableName
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class AddColumn(Change):
    """Make room for a column before it is sent."""

    table: TableName
    column: ColumnSpec
    phase = Phase.RECEIVING_TABLES
    consequence = Consequence.LOCKS


@dataclass(frozen=True)
class AlterColumnType(Change):
    """Follow a column that has another type at the source."""

    table: TableName
    column: ColumnSpec
    phase = Phase.RECEIVING_TABLES
    consequence = Consequence.LOCKS


@dataclass(frozen=True)
class SetIdentity(Change):
    """Let updates and deletes name rows by other columns, which a filter needs."""

    table: TableName
    identity: IdentitySpec
    was: IdentitySpec
    key: str
    phase: Phase = Phase.RECEIVING_TABLES
    consequence = Consequence.LOCKS
    drops: bool = False
    """A publication that only --allow-drop takes away still filters by what goes."""


@dataclass(frozen=True)
class SetTrigger(Change):
    """Attach a trigger to a landing table; the projection's projects all rows in the same transaction."""

    table: TableName
    trigger: TriggerSpec
    consequence: Consequence = Consequence.LOCKS
    phase = Phase.RECEIVING_TABLES


TableStep = CreateTable | StartHeart | AddColumn | AlterColumnType | SetIdentity | SetTrigger
