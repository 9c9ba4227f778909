"""What one endpoint is, as far as it can stand in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from publications.decide.spec import Room
from publications.declare.names import TableName

MIN_VERSION = 150000


@dataclass(frozen=True)
class UnfitKey:
    """A primary key that can't name a row: unique, immediate, valid, whole and never NULL is what can."""

    table: TableName
    constraint: str | None
    fault: Literal["missing", "deferrable", "invalid"]


@dataclass(frozen=True)
class EndpointFacts:
    """One server and database as far as they can stand in the way."""

    version_num: int
    wal_level: str
    slots: Room
    senders: Room
    origins: Room
    workers: Room
    processes: Room = field(default=Room(0, 8))
    """Of which the launcher is one, and each that follows another."""
    sync_workers: int = 2
    """That copy the tables of one subscription at the same time."""
    encoding: str = "UTF8"
    """Of the database."""
    databases: tuple[str, ...] = ()
    """Others of the same cluster."""
    relations: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    """Published tables whose row security hides rows from the copy."""
    foreign_keys: tuple[tuple[str, str], ...] = ()
    """Table and constraint, on tables that replication writes."""
    loose_functions: tuple[tuple[str, str], ...] = ()
    """Table and trigger function without a search_path."""
    nullable: frozenset[tuple[TableName, str]] = frozenset()
    """Table and column, of published tables."""
    unfit_keys: tuple[UnfitKey, ...] = ()
    """Of tables that are written there or leave from there."""
    columns: Mapping[TableName, Mapping[str, str]] = field(default_factory=dict)
    """The types of the published tables' columns."""
    assumed: bool = False
    """It can't be reached and is taken to be as it should."""


def assume_facts() -> EndpointFacts:
    """Return what stands in nobody's way, for an endpoint that can't be looked at."""
    none = Room(0, 0)
    return EndpointFacts(MIN_VERSION, "logical", none, none, none, none, assumed=True)
