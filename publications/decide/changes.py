"""What can differ between wanted and live: one small class for each thing that apply can do. Pure.

Each says on which endpoint it happens, what it means for the shop and in which phase it runs, so that
apply never stops what already flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from publications.decide.spec import (
    ColumnSpec,
    GapSpec,
    GrantSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableName,
    TableSpec,
    TriggerSpec,
    Unusual,
)


class Consequence(StrEnum):
    """What a change does to the shop, the gravest first."""

    LEAKS = "leaks"
    """A column or row starts to leave."""
    STOPS_APPLY = "stops apply"
    COPIES = "copies"
    """Data has to be moved."""
    LOCKS = "locks"
    HARMLESS = "harmless"


class Phase(IntEnum):
    """The order that never stops apply: who receives is ready before who sends."""

    ROLES = 1
    RECEIVING_TABLES = 2
    GRANTS = 3
    PUBLICATIONS = 4
    RESETS = 5
    """What a slot that is made anew must not meet."""
    SLOTS = 6
    SUBSCRIPTIONS = 7
    BACKFILLS = 8
    WITHDRAWALS = 9
    """What stops being sent or allowed goes last."""
    NARROWINGS = 10
    """An identity's column goes when no filter reads it any more."""
    SETTLEMENTS = 11
    """What must wait for the copies."""


@dataclass(frozen=True)
class Change:
    """One step on one endpoint."""

    endpoint: str

    phase = Phase.ROLES
    consequence = Consequence.HARMLESS
    drops = False
    """Takes something away: only with --allow-drop."""
    atomic = False
    """Its statements are one transaction: half of them would never be found again."""


@dataclass(frozen=True)
class CreateRole(Change):
    """Make a role that may log in and nothing else."""

    role: RoleSpec


@dataclass(frozen=True)
class AlterRole(Change):
    """Make a role what it should be: no more, no less."""

    role: RoleSpec
    was: RoleSpec


@dataclass(frozen=True)
class AddGrants(Change):
    """Let a role do something with one object."""

    grants: tuple[GrantSpec, ...]
    phase = Phase.GRANTS


@dataclass(frozen=True)
class RevokeGrants(Change):
    """Take from a role what it should not hold."""

    grants: tuple[GrantSpec, ...]
    kept: tuple[GrantSpec, ...] = ()
    """Those on columns that PostgreSQL takes back together with one on their whole table."""
    atomic: bool = False
    phase = Phase.WITHDRAWALS


@dataclass(frozen=True)
class CreateTable(Change):
    """Make a landing table or the heartbeat, which without its row would never get one."""

    table: TableSpec
    phase = Phase.RECEIVING_TABLES
    atomic = True


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
class MarkBackfill(Change):
    """Note that old rows lack what a column will bring, so that a killed apply finds it again."""

    table: TableName
    columns: tuple[str, ...]
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class ForgetMarks(Change):
    """Take back notes of columns that are not sent any more: the source may not even have them."""

    table: TableName
    columns: tuple[str, ...]
    phase = Phase.WITHDRAWALS


@dataclass(frozen=True)
class Backfill(Change):
    """Fill new columns of old rows from the source, and take away rows that it has no more.

    One of `columns` may be `SWEEP`. The table is not copied again.
    """

    table: TableName
    columns: tuple[str, ...]
    source: str
    """The endpoint that has them."""
    key: str
    where: str | None = None
    """Which of the source's rows belong here."""
    phase = Phase.BACKFILLS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class EmptyColumns(Change):
    """Take away what columns still hold that are not declared any more, when all that was sent has come."""

    table: TableName
    columns: tuple[tuple[str, str], ...]
    """Names, and the SQL of what stands there instead."""
    source: str
    """The endpoint that sent it."""
    slot: str
    """That sends to this table."""
    phase = Phase.WITHDRAWALS
    consequence = Consequence.COPIES
    atomic = True


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
    atomic = True


@dataclass(frozen=True)
class CreatePublication(Change):
    """Begin to publish a table."""

    publication: PublicationSpec
    phase = Phase.PUBLICATIONS
    consequence = Consequence.LEAKS


@dataclass(frozen=True)
class ReplacePublication(Change):
    """Make a publication anew that somebody made for everything, which no ALTER takes back.

    In one transaction: there is no moment without it, at which a subscriber would stop or lose changes.
    """

    publication: PublicationSpec
    phase = Phase.PUBLICATIONS
    atomic = True


@dataclass(frozen=True)
class SetPublishedTables(Change):
    """Publish other columns, rows or tables under a name that exists."""

    publication: PublicationSpec
    was: PublicationSpec
    consequence: Consequence = Consequence.LEAKS
    phase: Phase = Phase.PUBLICATIONS


@dataclass(frozen=True)
class SetOperations(Change):
    """Publish other operations."""

    publication: PublicationSpec
    was: PublicationSpec
    phase = Phase.PUBLICATIONS


@dataclass(frozen=True)
class DropPublication(Change):
    """Stop publishing under that name."""

    name: str
    phase = Phase.WITHDRAWALS
    consequence = Consequence.STOPS_APPLY
    drops = True


@dataclass(frozen=True)
class CreateSlot(Change):
    """Keep WAL for a subscription from now on."""

    slot: SlotSpec
    phase = Phase.SLOTS
    consequence = Consequence.LOCKS


@dataclass(frozen=True)
class RenewSlot(Change):
    """Make a slot anew that can send no more; all that it fed is copied again."""

    slot: SlotSpec
    why: str
    phase = Phase.SLOTS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class ForgetProgress(Change):
    """Let a subscription forget how far it had come: its source's WAL has not come as far.

    It would wait for what is never sent, and tell a new slot to pass over all that is.
    """

    subscription: SubscriptionSpec
    phase = Phase.RESETS


@dataclass(frozen=True)
class RenewVersions(Change):
    """Give each row a version above all that were given before the source was put back.

    In one transaction: with new numbers ahead and old ones in the rows nobody would see what is missing.
    """

    tables: tuple[TableName, ...]
    above: int
    phase = Phase.RESETS
    consequence = Consequence.COPIES
    atomic = True


@dataclass(frozen=True)
class DropSlot(Change):
    """Let go of WAL that nobody will fetch. PostgreSQL refuses while the slot is in use."""

    slot: SlotSpec
    phase = Phase.WITHDRAWALS
    drops = True


@dataclass(frozen=True)
class CreateSubscription(Change):
    """Copy the tables and then follow."""

    subscription: SubscriptionSpec
    phase = Phase.SUBSCRIPTIONS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class SetSubscriptionPublications(Change):
    """Follow other publications; tables that are new are copied."""

    subscription: SubscriptionSpec
    was: SubscriptionSpec
    phase = Phase.SUBSCRIPTIONS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class RefreshSubscription(Change):
    """Learn which tables the publications have now; those that are new are copied."""

    subscription: SubscriptionSpec
    tables: tuple[TableName, ...]
    phase = Phase.SUBSCRIPTIONS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class SetSubscriptionOptions(Change):
    """Give a subscription its declared options."""

    subscription: SubscriptionSpec
    was: SubscriptionSpec
    phase = Phase.SUBSCRIPTIONS


@dataclass(frozen=True)
class SetSubscriptionConnection(Change):
    """Let a subscription reach its publisher another way."""

    subscription: SubscriptionSpec
    keywords: tuple[str, ...]
    """Which keywords differ; never their values, which may be secret."""
    phase = Phase.SUBSCRIPTIONS


@dataclass(frozen=True)
class EnableSubscription(Change):
    """Let apply go on."""

    subscription: SubscriptionSpec
    phase = Phase.SUBSCRIPTIONS


@dataclass(frozen=True)
class SetSubscriptionSlot(Change):
    """Follow the declared slot."""

    subscription: SubscriptionSpec
    phase = Phase.SUBSCRIPTIONS


@dataclass(frozen=True)
class ResetColumn(Change):
    """Give a publication or subscription back a value that nobody declares, because only one is right."""

    unusual: Unusual
    phase = Phase.SUBSCRIPTIONS


@dataclass(frozen=True)
class CopyAgain(Change):
    """Copy one table again: at the source it is another table under the same name."""

    subscription: SubscriptionSpec
    publication: str
    table: TableName
    phase = Phase.SUBSCRIPTIONS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class NoteGap(Change):
    """Note that each table has been marked: an apply that is ended goes on with them, and not anew."""

    notes: TableName
    gap: GapSpec
    phase = Phase.RECEIVING_TABLES


@dataclass(frozen=True)
class CloseGap(Change):
    """Note that what was lost on the way is here again, now that all is copied and swept."""

    notes: TableName
    gap: GapSpec | None
    """As it was known before the copies began; None where a new slot opens one meanwhile."""
    phase = Phase.SETTLEMENTS


@dataclass(frozen=True)
class SettleSubscription(Change):
    """Wait until all tables are copied and follow, then commit as declared and not at once any more."""

    subscription: SubscriptionSpec
    phase = Phase.SETTLEMENTS


@dataclass(frozen=True)
class DropOrigin(Change):
    """Forget how far a subscription that is gone had come."""

    name: str
    phase = Phase.WITHDRAWALS
    drops = True


@dataclass(frozen=True)
class DropRole(Change):
    """Take away a role that nothing uses any more, with all that it holds."""

    name: str
    phase = Phase.WITHDRAWALS
    drops = True


@dataclass(frozen=True)
class DropSubscription(Change):
    """Stop following; the publisher's slot is dropped in a step of its own."""

    name: str
    phase = Phase.WITHDRAWALS
    consequence = Consequence.STOPS_APPLY
    drops = True


def published_more(new: PublishedTableSpec, old: PublishedTableSpec | None) -> bool:
    """Tell whether a column or row leaves by `new` that did not by `old`."""
    if old is None or new.where != old.where:
        return True
    if new.columns is None or old.columns is None:
        return new.columns is None and old.columns is not None
    return not new.columns <= old.columns
