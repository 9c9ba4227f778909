"""The SQL of what happens to a subscription. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql
from psycopg.conninfo import make_conninfo

from publications.ddl.acts import Act, AwaitCopies
from publications.ddl.notes import mark
from publications.ddl.statement import Statement, compose, given_sql, join, name_of
from publications.decide.changes.subscriptions import (
    CopyAgain,
    CreateSubscription,
    DropOrigin,
    DropSubscription,
    EnableSubscription,
    ForgetProgress,
    RefreshSubscription,
    ResetColumn,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
    SubscriberStep,
)
from publications.decide.columns import USUAL
from publications.decide.spec import SWEEP, SubscriptionSpec


def subscriber_to_sql(step: SubscriberStep) -> list[Act]:  # noqa: PLR0911, PLR0912  # one short arm per kind
    """Return what changes that which is followed."""
    match step:
        case CreateSubscription(subscription=made):
            return [_create_subscription(made)]
        case SetSubscriptionPublications(subscription=one):
            names = join(map(name_of, sorted(one.publications)))
            return [*_prepare_copy(one), _alter(one.name, "SET PUBLICATION {}", names)]
        case RefreshSubscription(subscription=one):
            return [*_prepare_copy(one), _alter(one.name, "REFRESH PUBLICATION")]
        case SetSubscriptionOptions(subscription=one):
            return [_set_options(one)]
        case SettleSubscription(subscription=one):
            return [AwaitCopies(step.endpoint, one.name), _set_options(one)]
        case SetSubscriptionConnection(subscription=one):
            return [_alter(one.name, "CONNECTION {}", _conninfo(one))]
        case SetSubscriptionSlot(subscription=one):
            return [_alter(one.name, "SET (slot_name = {})", one.slot or one.name)]
        case CopyAgain(subscription=one, publication=publication, table=table):
            away = _alter(one.name, "DROP PUBLICATION {}", name_of(publication))
            again = _alter(one.name, "ADD PUBLICATION {}", name_of(publication))
            return [*_prepare_copy(one), away, again, mark(table, SWEEP)]
        case EnableSubscription(subscription=one):
            return [_alter(one.name, "ENABLE")]
        case ForgetProgress(subscription=one):
            return [_alter(one.name, "DISABLE"), compose(FORGET_PROGRESS, one.name)]
        case DropSubscription(name=name):
            # The slot is the publisher's and has a step there: with the link down this still works.
            detached = [_alter(name, "DISABLE"), _alter(name, "SET (slot_name = NONE)")]
            return [*detached, compose("DROP SUBSCRIPTION {}", name_of(name))]
        case ResetColumn(unusual=unusual):
            return [compose(USUAL[unusual.catalog][unusual.column].reset or "", name_of(unusual.name))]
        case DropOrigin(name=name):
            return [compose("SELECT pg_replication_origin_drop({})", name)]
        case _:
            assert_never(step)


def _alter(subscription: str, what: str, *parts: sql.Composable | str) -> Statement:
    return compose("ALTER SUBSCRIPTION {} " + what, name_of(subscription), *parts)


def _conninfo(subscription: SubscriptionSpec) -> str:
    return make_conninfo("", **dict(sorted(subscription.conninfo)))


def _options(subscription: SubscriptionSpec) -> sql.Composed:
    return join(compose("{} = {}", given_sql(name), value) for name, value in sorted(subscription.options))


def _set_options(subscription: SubscriptionSpec) -> Statement:
    return _alter(subscription.name, "SET ({})", _options(subscription))


FORGET_PROGRESS = """SELECT pg_replication_origin_advance('pg_' || s.oid, '0/0')
  FROM pg_subscription s
 WHERE s.subname = {}
   AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def _prepare_copy(subscription: SubscriptionSpec) -> list[Statement]:
    """Return what must be so before a table is copied, where it isn't as declared."""
    careful = subscription.while_copying
    return [] if careful.options == subscription.options else [_set_options(careful)]


def _create_subscription(subscription: SubscriptionSpec) -> Statement:
    """The slot has been made on the publisher: so one that is left behind by a crash is found again."""
    return compose(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}"
        " WITH (slot_name = {}, create_slot = false, copy_data = true, {})",
        name_of(subscription.name),
        _conninfo(subscription),
        join(map(name_of, sorted(subscription.publications))),
        subscription.slot or subscription.name,
        _options(subscription.while_copying),
    )
