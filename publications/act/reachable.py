"""Asks a subscriber's server whether it reaches its publisher, before a slot keeps WAL for it.

The passfile of a subscription is read by that server, and by nobody else: only it can tell.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from db.engines import Connection
from db.errors import PonteError
from publications.act.endpoints import Endpoints
from publications.ddl.statement import Statement, compose, join, name_of
from publications.decide.changes.subscriptions import CreateSubscription
from publications.decide.spec import SubscriptionSpec
from publications.settings import conninfo_variable

PATIENCE: LiteralString = "SET LOCAL statement_timeout = '20s'"
CONNECT_TIMEOUT_S = "10"
_UNREACHED = ("08", "57014")


class PublisherUnreachableError(PonteError):
    """A subscriber's server does not reach its publisher."""


def require_reach(endpoints: Endpoints, step: CreateSubscription) -> None:
    """Connect as the subscription will, and leave nothing. Raise PublisherUnreachableError."""
    conn, subscription = endpoints.connections[step.endpoint], step.subscription
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(PATIENCE)
            conn.execute(_probe(subscription))
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(_UNREACHED):
            raise
        source = next(
            hop.source for hop in endpoints.declaration.hops if hop.subscription == subscription.name
        )
        said = " ".join((error.diag.message_primary or "").split())
        raise PublisherUnreachableError(
            f"{step.endpoint}'s server can't reach {source}, and no slot was made: {said}",
            _advise(conn, subscription),
        ) from error


def _probe(subscription: SubscriptionSpec) -> Statement:
    conninfo = {"connect_timeout": CONNECT_TIMEOUT_S, **dict(subscription.conninfo)}
    return compose(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}"
        " WITH (enabled = false, create_slot = false, slot_name = NONE, copy_data = false)",
        name_of(f"{subscription.name}_probe"),
        make_conninfo("", **conninfo),
        join(map(name_of, sorted(subscription.publications))),
    )


def _advise(conn: Connection, subscription: SubscriptionSpec) -> str:
    """Say what to look at, without reading any of the passfile."""
    variable = conninfo_variable(subscription.name)
    passfile = dict(subscription.conninfo).get("passfile")
    if passfile is None:
        return f"name the publisher in {variable}, and with passfile= a file that that server can read"
    try:
        found = conn.execute("SELECT pg_read_binary_file(%s, 0, 0, true)", [passfile]).fetchone()
    except psycopg.Error:
        return f"that server may not read {passfile}: give it to the account that runs PostgreSQL there"
    if found == (None,):
        return f"on that server there is no {passfile}: write it there, or correct {variable}"
    return f"correct {variable}; {passfile} counts with mode 0600 and a line for that host, port and role"
