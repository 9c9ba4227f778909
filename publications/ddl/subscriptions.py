"""The SQL of what happens to a subscription. Pure."""

from __future__ import annotations

from psycopg import sql
from psycopg.conninfo import make_conninfo

from publications.ddl.statement import Statement, compose, join, name_of
from publications.ddl.tables import mark
from publications.decide.changes import (
    Change,
    CopyAgain,
    CreateSubscription,
    DropSubscription,
    EnableSubscription,
    ForgetProgress,
    RefreshSubscription,
    SetSubscriptionConnection,
    SetSubscriptionOptions,
    SetSubscriptionPublications,
    SetSubscriptionSlot,
    SettleSubscription,
)
from publications.decide.spec import SWEEP, SubscriptionSpec


def subscription_to_sql(change: Change) -> list[Statement]:  # noqa: PLR0911  # one short arm per change
    """Return the statements of one change of a subscription. Raise TypeError for any other."""
    match change:
        case CreateSubscription(subscription=subscription):
            return [_create_subscription(subscription)]
        case SetSubscriptionPublications(subscription=subscription):
            names = join(map(name_of, sorted(subscription.publications)))
            return [
                *_prepare_copy(subscription),
                compose("ALTER SUBSCRIPTION {} SET PUBLICATION {}", name_of(subscription.name), names),
            ]
        case RefreshSubscription(subscription=subscription):
            return [
                *_prepare_copy(subscription),
                compose("ALTER SUBSCRIPTION {} REFRESH PUBLICATION", name_of(subscription.name)),
            ]
        case SetSubscriptionOptions(subscription=subscription):
            return [_set_options(subscription)]
        case SettleSubscription(subscription=subscription):
            return [sql.SQL(WAIT_FOR_COPIES).format(subscription.name), _set_options(subscription)]
        case SetSubscriptionConnection(subscription=subscription):
            return [
                compose(
                    "ALTER SUBSCRIPTION {} CONNECTION {}", name_of(subscription.name), _conninfo(subscription)
                )
            ]
        case SetSubscriptionSlot(subscription=subscription):
            name = subscription.name
            return [
                compose(
                    "ALTER SUBSCRIPTION {} SET (slot_name = {})", name_of(name), subscription.slot or name
                )
            ]
        case CopyAgain(subscription=subscription, publication=name, table=table):
            return [
                *_prepare_copy(subscription),
                compose(
                    "ALTER SUBSCRIPTION {} DROP PUBLICATION {}", name_of(subscription.name), name_of(name)
                ),
                compose(
                    "ALTER SUBSCRIPTION {} ADD PUBLICATION {}", name_of(subscription.name), name_of(name)
                ),
                mark(table, SWEEP),
            ]
        case EnableSubscription(subscription=subscription):
            return [compose("ALTER SUBSCRIPTION {} ENABLE", name_of(subscription.name))]
        case ForgetProgress(subscription=subscription):
            return [
                compose("ALTER SUBSCRIPTION {} DISABLE", name_of(subscription.name)),
                sql.SQL(FORGET_PROGRESS).format(subscription.name),
            ]
        case DropSubscription(name=name):
            # The slot is the publisher's and has a step there: with the link down this still works.
            return [
                compose("ALTER SUBSCRIPTION {} DISABLE", name_of(name)),
                compose("ALTER SUBSCRIPTION {} SET (slot_name = NONE)", name_of(name)),
                compose("DROP SUBSCRIPTION {}", name_of(name)),
            ]
        case _:
            raise TypeError(f"no SQL for {type(change).__name__}")


def _conninfo(subscription: SubscriptionSpec) -> str:
    return make_conninfo("", **dict(sorted(subscription.conninfo)))


def _options(subscription: SubscriptionSpec) -> sql.Composed:
    return join(compose("{} = {}", sql.SQL(name), value) for name, value in sorted(subscription.options))


def _set_options(subscription: SubscriptionSpec) -> Statement:
    return compose("ALTER SUBSCRIPTION {} SET ({})", name_of(subscription.name), _options(subscription))


FORGET_PROGRESS = """SELECT pg_replication_origin_advance('pg_' || s.oid, '0/0')
  FROM pg_subscription s
 WHERE s.subname = {}
   AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


WAIT_FOR_COPIES = """DO $wait$ BEGIN
  RAISE NOTICE 'waiting until all tables are copied';
  WHILE EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
                WHERE s.subname = {} AND r.srsubstate <> 'r'
                  AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP
    PERFORM pg_sleep(0.1);
  END LOOP;
END $wait$"""


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
