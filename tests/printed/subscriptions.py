"""The SQL of each change of subscriptions, word for word."""

from __future__ import annotations

from dataclasses import replace

from publications.decide.changes.step import Step
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
)
from publications.decide.spec import (
    Unusual,
)
from tests.printed.specs import PEDIDOS, SUBSCRIPTION

CAREFUL = """ALTER SUBSCRIPTION "sub_v" SET (binary = 'false', synchronous_commit = 'on')"""
AT_ONCE = replace(
    SUBSCRIPTION, slot=None, options=frozenset({("synchronous_commit", "on"), ("binary", "false")})
)
SUBSCRIPTIONS: dict[str, tuple[Step, list[str]]] = {
    "reset column": (
        ResetColumn("e", Unusual("pg_subscription", "sub_v", "suborigin", "none")),
        ['ALTER SUBSCRIPTION "sub_v" SET (origin = any)'],
    ),
    "forget progress": (
        ForgetProgress("e", SUBSCRIPTION),
        [
            'ALTER SUBSCRIPTION "sub_v" DISABLE',
            "SELECT pg_replication_origin_advance('pg_' || s.oid, '0/0')\n"
            "  FROM pg_subscription s\n"
            " WHERE s.subname = 'sub_v'\n"
            "   AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ],
    ),
    "drop origin": (DropOrigin("e", "pg_9"), ["SELECT pg_replication_origin_drop('pg_9')"]),
    "create subscription": (
        CreateSubscription("e", SUBSCRIPTION),
        [
            """CREATE SUBSCRIPTION "sub_v" CONNECTION 'host=h user=x' PUBLICATION "pub_a", "pub_b" WITH"""
            """ (slot_name = 'slot_v', create_slot = false, copy_data = true, binary = 'false',"""
            """ synchronous_commit = 'on')"""
        ],
    ),
    "create subscription without a slot's name": (
        CreateSubscription("e", AT_ONCE),
        [
            """CREATE SUBSCRIPTION "sub_v" CONNECTION 'host=h user=x' PUBLICATION "pub_a", "pub_b" WITH"""
            """ (slot_name = 'sub_v', create_slot = false, copy_data = true, binary = 'false',"""
            """ synchronous_commit = 'on')"""
        ],
    ),
    "set subscription publications": (
        SetSubscriptionPublications("e", SUBSCRIPTION, SUBSCRIPTION),
        [CAREFUL, 'ALTER SUBSCRIPTION "sub_v" SET PUBLICATION "pub_a", "pub_b"'],
    ),
    "refresh subscription": (
        RefreshSubscription("e", SUBSCRIPTION, (PEDIDOS,)),
        [CAREFUL, 'ALTER SUBSCRIPTION "sub_v" REFRESH PUBLICATION'],
    ),
    "refresh subscription that commits at once": (
        RefreshSubscription("e", AT_ONCE, (PEDIDOS,)),
        ['ALTER SUBSCRIPTION "sub_v" REFRESH PUBLICATION'],
    ),
    "set subscription options": (
        SetSubscriptionOptions("e", SUBSCRIPTION, SUBSCRIPTION),
        ["""ALTER SUBSCRIPTION "sub_v" SET (binary = 'false', synchronous_commit = 'off')"""],
    ),
    "set subscription connection": (
        SetSubscriptionConnection("e", SUBSCRIPTION, ("host",)),
        ["""ALTER SUBSCRIPTION "sub_v" CONNECTION 'host=h user=x'"""],
    ),
    "set subscription slot": (
        SetSubscriptionSlot("e", SUBSCRIPTION),
        ["""ALTER SUBSCRIPTION "sub_v" SET (slot_name = 'slot_v')"""],
    ),
    "set subscription slot without a name": (
        SetSubscriptionSlot("e", AT_ONCE),
        ["""ALTER SUBSCRIPTION "sub_v" SET (slot_name = 'sub_v')"""],
    ),
    "copy again": (
        CopyAgain("e", SUBSCRIPTION, "pub_a", PEDIDOS),
        [
            CAREFUL,
            'ALTER SUBSCRIPTION "sub_v" DROP PUBLICATION "pub_a"',
            'ALTER SUBSCRIPTION "sub_v" ADD PUBLICATION "pub_a"',
            """COMMENT ON TABLE "v"."pedidos" IS 'ponte: old rows are to be filled from the source'""",
        ],
    ),
    "enable subscription": (EnableSubscription("e", SUBSCRIPTION), ['ALTER SUBSCRIPTION "sub_v" ENABLE']),
    "drop subscription": (
        DropSubscription("e", "sub_v"),
        [
            'ALTER SUBSCRIPTION "sub_v" DISABLE',
            'ALTER SUBSCRIPTION "sub_v" SET (slot_name = NONE)',
            'DROP SUBSCRIPTION "sub_v"',
        ],
    ),
}
