"""An endpoint as it should be, and what a diff says of one that differs from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from publications.decide.changes.step import Step
from publications.decide.diff import diff_endpoint
from publications.decide.spec import (
    ColumnSpec,
    EndpointSpec,
    GrantKind,
    GrantSpec,
    IdentitySpec,
    PublicationSpec,
    PublishedTableSpec,
    RoleSpec,
    SlotSpec,
    SubscriptionSpec,
    TableSpec,
    TriggerSpec,
)
from publications.declare.names import TableName

PEDIDOS, IMAGENS = TableName("v", "pedidos"), TableName("v", "imagens")
ROLE = RoleSpec("ponte_api", settings=frozenset({("a", "1")}), powers=frozenset({"member of pg_monitor"}))
GRANT = GrantSpec("ponte_api", GrantKind.TABLE, "v.pedidos", "select")
TRIGGER = TriggerSpec("project", "projection.project", projects=True)
TABLE = TableSpec(PEDIDOS, {"id": ColumnSpec("id", "integer")}, ("id",), frozenset({TRIGGER}), filled=True)
PART = PublishedTableSpec(PEDIDOS, frozenset({"id", "nr"}))
PUBLICATION = PublicationSpec("pub_p", frozenset({PART}), frozenset({"insert", "update"}))
SLOT = SlotSpec("slot_v", active=True)
SUBSCRIPTION = SubscriptionSpec(
    name="sub_v",
    slot="slot_v",
    publications=frozenset({"pub_p"}),
    conninfo=frozenset({("host", "h"), ("user", "u")}),
    options=frozenset({("synchronous_commit", "off"), ("binary", "false")}),
    tables=frozenset({PEDIDOS}),
)
KEY = IdentitySpec(frozenset({"id"}))
WANTED = EndpointSpec(
    "e",
    roles={"ponte_api": ROLE},
    grants=frozenset({GRANT}),
    tables={PEDIDOS: TABLE},
    identities={PEDIDOS: KEY},
    keys={PEDIDOS: "id"},
    publications={"pub_p": PUBLICATION},
    slots={"slot_v": SLOT},
    subscriptions={"sub_v": SUBSCRIPTION},
)


def diff(**live: Any) -> list[Step]:
    """Return the steps where all is as wanted but for what is given."""
    return diff_endpoint(WANTED, replace(WANTED, **live))
