"""The SQL of each change of publications, slots and pushes, word for word."""

from __future__ import annotations

from publications.decide.changes.publications import (
    CreatePublication,
    CreateSlot,
    DropPublication,
    DropSlot,
    RenewSlot,
    ReplacePublication,
    SetOperations,
    SetPublishedTables,
)
from publications.decide.changes.pushes import DropPush, SetPush
from publications.decide.changes.step import Step
from publications.decide.spec import (
    PublicationSpec,
    PublishedTableSpec,
    PushSpec,
    SlotSpec,
)
from tests.printed.specs import PEDIDOS, USERS

PUBLICATION = PublicationSpec(
    "pub_p",
    frozenset({
        PublishedTableSpec(USERS, None),
        PublishedTableSpec(PEDIDOS, frozenset({"numero", "id"}), "(id > 5)"),
    }),
    frozenset({"update", "delete", "insert"}),
)  # fmt: skip
PARTS = 'TABLE "public"."user", "v"."pedidos" ("id", "numero") WHERE ((id > 5))'
PUBLICATIONS: dict[str, tuple[Step, list[str]]] = {
    "create publication": (
        CreatePublication("e", PUBLICATION),
        [f"""CREATE PUBLICATION "pub_p" FOR {PARTS} WITH (publish = 'delete, insert, update')"""],
    ),
    "replace publication": (
        ReplacePublication("e", PUBLICATION),
        [
            "BEGIN",
            'DROP PUBLICATION "pub_p"',
            f"""CREATE PUBLICATION "pub_p" FOR {PARTS} WITH (publish = 'delete, insert, update')""",
            "COMMIT",
        ],
    ),
    "set published tables": (
        SetPublishedTables("e", PUBLICATION, PUBLICATION),
        [f'ALTER PUBLICATION "pub_p" SET {PARTS}'],
    ),
    "set operations": (
        SetOperations("e", PUBLICATION, PUBLICATION),
        ["""ALTER PUBLICATION "pub_p" SET (publish = 'delete, insert, update')"""],
    ),
    "drop publication": (DropPublication("e", "pub_p"), ['DROP PUBLICATION "pub_p"']),
    "create slot": (
        CreateSlot("e", SlotSpec("slot_v")),
        ["SELECT pg_create_logical_replication_slot('slot_v', 'pgoutput')"],
    ),
    "renew slot": (
        RenewSlot("e", SlotSpec("slot_v"), "lost"),
        [
            "SELECT pg_drop_replication_slot('slot_v')",
            "SELECT pg_create_logical_replication_slot('slot_v', 'pgoutput')",
        ],
    ),
    "set push": (
        SetPush("e", PushSpec("vps", "ana", "slot_v", frozenset({"pub_b", "pub_a"}))),
        [
            "INSERT INTO push.ways AS held (subscriber, role, slot, publications)\n"
            "VALUES ('vps', 'ana', 'slot_v', ARRAY['pub_a', 'pub_b'])\n"
            "ON CONFLICT (subscriber) DO UPDATE\n"
            "  SET role = excluded.role, slot = excluded.slot, publications = excluded.publications,"
            " incarnation = NULL"
        ],
    ),
    "drop push": (DropPush("e", "vps"), ["DELETE FROM push.ways WHERE subscriber = 'vps'"]),
    "drop slot": (DropSlot("e", SlotSpec("slot_v")), ["SELECT pg_drop_replication_slot('slot_v')"]),
}
