"""What the changes whose SQL is told are about."""

from __future__ import annotations

from publications.decide.spec import (
    SubscriptionSpec,
)
from publications.declare.names import TableName

PEDIDOS, USERS, NOTES = TableName("v", "pedidos"), TableName("public", "user"), TableName("guard", "gaps")
SUBSCRIPTION = SubscriptionSpec(
    name="sub_v",
    slot="slot_v",
    publications=frozenset({"pub_b", "pub_a"}),
    conninfo=frozenset({("user", "x"), ("host", "h")}),
    options=frozenset({("synchronous_commit", "off"), ("binary", "false")}),
)
