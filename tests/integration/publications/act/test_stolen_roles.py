"""Who has stolen a service's password: each role does its work and nothing beside it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from tests.fix_clusters import PORTS
from tests.fix_road import ROLE_PASSWORD, Road

pytestmark = [pytest.mark.integration]

ANYWHERE = (
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "CREATE ROLE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (id int)",
    "SELECT pg_create_physical_replication_slot('mine')",
    "SET session_replication_role = replica",
)
IN_THE_WINDOW = (
    "UPDATE vitrine.pedidos SET cliente = ''",
    "DELETE FROM vitrine.usuarios",
    "TRUNCATE vitrine.pedidos",
)
WORK = {
    ("sgp", "ponte_worker"): (
        (
            'SELECT id, password_hash FROM "user"',
            "SELECT token FROM revoked_tokens",
            "SELECT beat FROM ponte.heartbeat",
        ),
        (
            'SELECT password_plain FROM "user"',
            'UPDATE "user" SET password_hash = NULL',
            "SELECT cliente FROM pedidos",
            "UPDATE pedidos SET status = 'pronto'",
            "DELETE FROM revoked_tokens",
        ),
    ),
    ("vitrine", "ponte_worker"): (
        ("SELECT id, path FROM pedido_imagens", "SELECT user_id FROM vitrine.credenciais"),
        (
            *IN_THE_WINDOW,
            "SELECT cliente FROM vitrine.pedidos",
            "SELECT pg_logical_emit_message(false, 'x', 'y')",
            "CREATE TEMP TABLE mine AS SELECT 1",
            "SELECT lo_create(0)",
        ),
    ),
    ("vps", "ponte_api"): (
        ("SELECT id FROM vitrine.pedidos", "SELECT user_id FROM vitrine.credenciais"),
        (*IN_THE_WINDOW, "SELECT auth.revoke('x', now())", "DELETE FROM vitrine.credenciais"),
    ),
    ("vps", "ponte_auth"): (
        ("SELECT auth.take('a', 'b')",),
        (*IN_THE_WINDOW, "SELECT id FROM vitrine.pedidos", "SELECT user_id FROM vitrine.credenciais"),
    ),
}


@pytest.mark.parametrize(("endpoint", "role"), WORK, ids=lambda one: one)
def test_a_services_role_can_do_its_work_and_nothing_else(kept_road: Road, endpoint: str, role: str) -> None:
    told = make_conninfo(
        "", host="127.0.0.1", port=PORTS[endpoint], dbname=endpoint, user=role, password=ROLE_PASSWORD
    )
    may, may_not = WORK[endpoint, role]
    allowed = []
    with psycopg.connect(told, autocommit=True) as thief:
        for statement in may:
            thief.execute(statement.encode())
        thief.execute("SET default_transaction_read_only = off")  # which is no bound: anybody may
        for statement in (*ANYWHERE, *may_not):
            try:
                thief.execute(statement.encode())
                allowed.append(statement)
            except errors.InsufficientPrivilege:
                continue
    assert allowed == []
