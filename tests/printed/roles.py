"""The SQL of each change of roles and what they may do, word for word."""

from __future__ import annotations

from publications.decide.changes.roles import (
    AddGrants,
    AlterRole,
    CloseToAll,
    CreateRole,
    DropRole,
    RevokeGrants,
)
from publications.decide.changes.step import Step
from publications.decide.spec import (
    GrantKind,
    GrantSpec,
    RoleSpec,
)

ROLE = RoleSpec(
    "ana",
    settings=frozenset({("work_mem", "1MB"), ("lock_timeout", "5s")}),
    powers=frozenset({"member of pg_monitor"}),
)
BARE = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
FREE = "CONNECTION LIMIT  -1"
PASSWORD = ["\\password ana", "COMMIT"]
SHAPED = [
    f'ALTER ROLE "ana" LOGIN {BARE} NOREPLICATION {FREE}',
    """ALTER ROLE "ana" SET "lock_timeout" = '5s'""",
    """ALTER ROLE "ana" SET "work_mem" = '1MB'""",
]


def grant(privilege: str, kind: GrantKind, target: str, column: str = "") -> GrantSpec:
    return GrantSpec("ana", kind, target, privilege, column)


COLUMNS = (
    grant("select", GrantKind.TABLE, "v.pedidos", "id"), grant("select", GrantKind.TABLE, "v.pedidos", "nr"),
)  # fmt: skip
ROLES: dict[str, tuple[Step, list[str]]] = {
    "create role": (
        CreateRole("e", ROLE),
        ["BEGIN", 'CREATE ROLE "ana" LOGIN', *SHAPED, 'GRANT "pg_monitor" TO "ana"', *PASSWORD],
    ),
    "create role that replicates": (
        CreateRole("e", RoleSpec("ana", replication=True)),
        ["BEGIN", 'CREATE ROLE "ana" LOGIN', f'ALTER ROLE "ana" LOGIN {BARE} REPLICATION {FREE}', *PASSWORD],
    ),
    "alter role": (
        AlterRole(
            "e",
            ROLE,
            RoleSpec(
                "ana",
                settings=frozenset({("work_mem", "9MB"), ("b", "1"), ("a", "1")}),
                powers=frozenset({"member of z", "member of b", "superuser"}),
            ),
        ),
        [
            *SHAPED,
            'ALTER ROLE "ana" RESET "a"',
            'ALTER ROLE "ana" RESET "b"',
            'GRANT "pg_monitor" TO "ana"',
            'REVOKE "b" FROM "ana"',
            'REVOKE "z" FROM "ana"',
        ],
    ),
    "alter role that is as wanted": (AlterRole("e", ROLE, ROLE), SHAPED),
    "grant on schema": (
        AddGrants("e", (grant("usage", GrantKind.SCHEMA, "v"),)),
        ['GRANT USAGE ON SCHEMA "v" TO "ana"'],
    ),
    "grant on table": (
        AddGrants("e", (grant("select", GrantKind.TABLE, "v.pedidos"),)),
        ['GRANT SELECT ON TABLE "v"."pedidos" TO "ana"'],
    ),
    "grant on function": (
        AddGrants("e", (grant("execute", GrantKind.FUNCTION, "auth.take(bytea, bytea)"),)),
        ['GRANT EXECUTE ON FUNCTION "auth"."take"(bytea, bytea) TO "ana"'],
    ),
    "grant on function of a type with bounds": (
        AddGrants("e", (grant("execute", GrantKind.FUNCTION, "auth.f(numeric(14,2))"),)),
        ['GRANT EXECUTE ON FUNCTION "auth"."f"(numeric(14,2)) TO "ana"'],
    ),
    "revoke columns": (
        RevokeGrants("e", COLUMNS),
        ['REVOKE SELECT ("id", "nr") ON TABLE "v"."pedidos" FROM "ana"'],
    ),
    "revoke whole table": (
        RevokeGrants("e", (grant("select", GrantKind.TABLE, "v.pedidos"),), COLUMNS),
        [
            "BEGIN",
            'REVOKE SELECT ON TABLE "v"."pedidos" FROM "ana"',
            'GRANT SELECT ("id", "nr") ON TABLE "v"."pedidos" TO "ana"',
            "COMMIT",
        ],
    ),
    "close to all": (
        CloseToAll(
            "e",
            (
                GrantSpec("public", GrantKind.DATABASE, "v", "temporary"),
                GrantSpec("public", GrantKind.FUNCTION, "pg_catalog.lo_create(oid)", "execute"),
                GrantSpec("public", GrantKind.FUNCTION, "pg_catalog.lo_creat(integer)", "execute"),
            ),
        ),
        [
            'REVOKE TEMPORARY ON DATABASE "v" FROM PUBLIC',
            'REVOKE EXECUTE ON FUNCTION "pg_catalog"."lo_create"(oid), "pg_catalog"."lo_creat"(integer)'
            " FROM PUBLIC",
        ],
    ),
    "drop role": (DropRole("e", "ana"), ['DROP OWNED BY "ana"', 'DROP ROLE "ana"']),
}
