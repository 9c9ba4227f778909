"""What can differ where rows are sent: publications and slots. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Consequence, Phase
from publications.decide.spec import PublicationSpec, PublishedTableSpec, SlotSpec


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
class DropSlot(Change):
    """Let go of WAL that nobody will fetch. PostgreSQL refuses while the slot is in use."""

    slot: SlotSpec
    phase = Phase.WITHDRAWALS
    drops = True


def published_more(new: PublishedTableSpec, old: PublishedTableSpec | None) -> bool:
    """Tell whether a column or row leaves by `new` that did not by `old`."""
    if old is None or new.where != old.where:
        return True
    if new.columns is None or old.columns is None:
        return new.columns is None and old.columns is not None
    return not new.columns <= old.columns


PublisherStep = (
    CreatePublication
    | ReplacePublication
    | SetPublishedTables
    | SetOperations
    | DropPublication
    | CreateSlot
    | RenewSlot
    | DropSlot
)
