"""What an endpoint has: the same types for what is wanted and for what is live.

A diff is then a comparison, and a second apply finds nothing to do. All values are immutable and pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from publications.declare.names import TableName


@dataclass(frozen=True)
class RoleSpec:
    """A role and what it is. It never is a superuser, nor may it make roles or databases."""

    name: str
    replication: bool = False
    settings: frozenset[tuple[str, str]] = frozenset()
    powers: frozenset[str] = frozenset()
    """What it has beyond that: `superuser` and the like, never wanted, and `member of …`."""
    connections: int = -1
    """How many sessions it may have; -1 is no limit. Senders are counted, and from 17 on never refused."""


MEMBER_OF = "member of "


class GrantKind(StrEnum):
    """What a privilege is on."""

    SCHEMA = "schema"
    TABLE = "table"
    FUNCTION = "function"
    DATABASE = "database"


@dataclass(frozen=True, order=True)
class GrantSpec:
    """One privilege of one role on one object, or on one column of it."""

    role: str
    kind: GrantKind
    target: str
    """`schema`, `schema.table` or `schema.function(argument types)`."""
    privilege: str
    column: str = ""


@dataclass(frozen=True)
class PublishedTableSpec:
    """A table in a publication."""

    table: TableName
    columns: frozenset[str] | None
    """None is every column, also those to come."""
    where: str | None = None
    """The row filter as the server prints it."""


@dataclass(frozen=True)
class PublicationSpec:
    """A publication. One table each, so that one can be copied again alone."""

    name: str
    tables: frozenset[PublishedTableSpec]
    operations: frozenset[str]
    everything: bool = False
    """FOR ALL TABLES or for whole schemas: never wanted."""


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a table that Ponte makes."""

    name: str
    type: str
    not_null: bool = False


@dataclass(frozen=True)
class TriggerSpec:
    """A trigger that fires whoever writes: for each row, or each TRUNCATE."""

    name: str
    function: str
    """`schema.function`."""
    always: bool = True
    event: str = field(default="AFTER INSERT OR UPDATE OR DELETE", compare=False)
    projects: bool = field(default=False, compare=False)
    """It keeps the window: what came while it was not there must be projected when it is put back."""


@dataclass(frozen=True)
class TableSpec:
    """A table that Ponte makes: a landing table or the heartbeat."""

    table: TableName
    columns: Mapping[str, ColumnSpec]
    key: tuple[str, ...]
    triggers: frozenset[TriggerSpec] = frozenset()
    pending: frozenset[str] = frozenset()
    """Columns whose old rows have yet to be filled from the source; noted as the columns' comments."""
    filled: bool = field(default=False, compare=False)
    """It has rows; wanted where the worker counts on one that it can't make itself."""


@dataclass(frozen=True)
class IdentitySpec:
    """By which columns an UPDATE or DELETE names its row; a row filter may use only these."""

    columns: frozenset[str]
    index: str = field(default="", compare=False)
    """The index that says so; none for the primary key's."""
    full: bool = False
    """REPLICA IDENTITY FULL or NOTHING: never wanted."""


def identity_index(table: TableName, columns: frozenset[str], key: str) -> str:
    """Name the index of an identity; none where it is the key alone."""
    extra = sorted(columns - {key})
    return "_".join(["ponte_identity", table.name, *extra])[:63] if extra else ""


@dataclass(frozen=True)
class SlotSpec:
    """A logical slot."""

    name: str
    plugin: str = "pgoutput"
    active: bool = field(default=False, compare=False)
    lost: bool = field(default=False, compare=False)
    """Its WAL is gone, or has not come as far as it: what it feeds must be copied again."""
    misfit: str = field(default="", compare=False)
    """Why what it has still to send can't be applied; empty where it can."""


@dataclass(frozen=True)
class StrangeSlot:
    """A slot that no subscription of this database reads: physical, temporary, or of another database."""

    name: str
    kind: str
    """PostgreSQL's word: physical or logical."""
    active: bool
    kept_bytes: int | None = field(default=None, compare=False)
    """None where its WAL is gone, or it never asked for any."""


@dataclass(frozen=True)
class SubscriptionSpec:
    """A subscription. `conninfo` has no password."""

    name: str
    slot: str | None
    publications: frozenset[str]
    conninfo: frozenset[tuple[str, str]]
    options: frozenset[tuple[str, str]]
    enabled: bool = True
    tables: frozenset[TableName] = frozenset()
    """The tables that it knows; one that is published and not here needs a refresh."""
    copying: frozenset[TableName] = field(default=frozenset(), compare=False)
    """Those that are not in step yet."""

    @property
    def while_copying(self) -> SubscriptionSpec:
        """The same, committing at once whatever is declared: a copy forgotten by a crash is never made up."""
        options = dict(self.options) | {"synchronous_commit": "on"}
        return replace(self, options=frozenset(options.items()))


@dataclass(frozen=True)
class Unusual:
    """A column of a publication or subscription that has not the value which `columns.USUAL` has."""

    catalog: str
    name: str
    column: str
    value: str


@dataclass(frozen=True)
class Position:
    """How far a database has come; from a backup it is behind what others have had from it."""

    wal_bytes: int | None = None
    """Where its WAL ends."""
    received_bytes: Mapping[str, int] = field(default_factory=dict)
    """By subscription, up to where in its publisher's WAL it has everything."""
    given_versao: int | None = None
    """The newest version that its window gave to a row."""
    held_versao: int | None = None
    """The newest version of a row that it was sent."""


@dataclass(frozen=True)
class GapSpec:
    """Changes that were lost on the way to a database, all of them as one."""

    up_to: int
    """The number of the last note of them."""
    after_beat: int
    """The last beat that came before."""
    beat: int
    """The first beat that came after."""
    noted: bool
    """On each table stands that it is to be copied again, or it was."""


@dataclass(frozen=True)
class Room:
    """What of something is in use, and of how much."""

    used: int
    limit: int


@dataclass(frozen=True)
class EndpointSpec:
    """All of one database that concerns Ponte."""

    name: str
    roles: Mapping[str, RoleSpec] = field(default_factory=dict)
    grants: frozenset[GrantSpec] = frozenset()
    tables: Mapping[TableName, TableSpec] = field(default_factory=dict)
    identities: Mapping[TableName, IdentitySpec] = field(default_factory=dict)
    """Of the tables that are published."""
    keys: Mapping[TableName, str] = field(default_factory=dict)
    """The primary key's column of each of those."""
    publications: Mapping[str, PublicationSpec] = field(default_factory=dict)
    slots: Mapping[str, SlotSpec] = field(default_factory=dict)
    subscriptions: Mapping[str, SubscriptionSpec] = field(default_factory=dict)
    unusual: tuple[Unusual, ...] = ()
    """Never wanted."""
    open_to_all: frozenset[GrantSpec] = frozenset()
    """On the window's cluster, what anybody who gets in may do and nobody has to: never wanted."""
    strange_slots: tuple[StrangeSlot, ...] = ()
    """Never wanted."""
    orphan_origins: frozenset[str] = frozenset()
    """Origins whose subscription is gone: never wanted."""
    stale: Mapping[TableName, Mapping[str, str]] = field(default_factory=dict)
    """Columns that hold what is not to be there any more, with the SQL of what stands there instead."""
    position: Position = field(default_factory=Position)
    gap: GapSpec | None = None
    """Never wanted."""
    lost: frozenset[TableName] = frozenset()
    """Tables whose rows are not those that were sent: never wanted."""
    gap_notes: TableName | None = None
    """The table where gaps are noted; None where the database is older than such notes."""


@dataclass(frozen=True)
class HopSpec:
    """Which table goes from where to where, by which publication and subscription."""

    source: str
    target: str
    subscription: str
    publications: Mapping[TableName, str]
    keys: Mapping[TableName, str]
    wheres: Mapping[TableName, str]


SWEEP = "*"
"""Stands in `TableSpec.pending` for rows to be taken away that the source has no more."""

COPY = "**"
"""Stands there for a table to be copied again and then swept."""
