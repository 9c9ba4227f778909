"""What can differ where rows arrive. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Consequence, Phase
from publications.decide.spec import SubscriptionSpec, Unusual
from publications.declare.names import TableName


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
class ForgetProgress(Change):
    """Let a subscription forget how far it had come: its source's WAL has not come as far.

    It would wait for what is never sent, and tell a new slot to pass over all that is.
    """

    subscription: SubscriptionSpec
    phase = Phase.RESETS


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
class DropSubscription(Change):
    """Stop following; the publisher's slot is dropped in a step of its own."""

    name: str
    phase = Phase.WITHDRAWALS
    consequence = Consequence.STOPS_APPLY
    drops = True


SubscriberStep = (
    CreateSubscription
    | SetSubscriptionPublications
    | RefreshSubscription
    | SetSubscriptionOptions
    | SetSubscriptionConnection
    | EnableSubscription
    | SetSubscriptionSlot
    | ResetColumn
    | CopyAgain
    | ForgetProgress
    | SettleSubscription
    | DropOrigin
    | DropSubscription
)

CopyingStep = CreateSubscription | SetSubscriptionPublications | RefreshSubscription | CopyAgain
"""Those that begin a copy."""
