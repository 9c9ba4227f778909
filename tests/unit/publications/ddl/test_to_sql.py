"""The SQL of every kind of change, word for word: it is what apply runs and what people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from publications.commands.step_words import action_of, describe
from publications.ddl.acts import Act, Part, Together, print_act
from publications.ddl.to_sql import to_sql
from publications.decide.changes.change import Change
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
from publications.decide.changes.roles import (
    AddGrants,
    AlterRole,
    CloseToAll,
    CreateRole,
    DropRole,
    RevokeGrants,
)
from publications.decide.changes.rows import (
    Backfill,
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
    RenewVersions,
)
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
    SettleSubscription,
)
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    CreateTable,
    SetIdentity,
    SetTrigger,
    StartHeart,
)
from publications.decide.spec import (
    COPY,
    SWEEP,
    ColumnSpec,
    GapSpec,
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
    Unusual,
    identity_index,
)
from publications.declare.names import TableName

PEDIDOS, USERS, NOTES = TableName("v", "pedidos"), TableName("public", "user"), TableName("guard", "gaps")
GAP = GapSpec(up_to=7, after_beat=3, beat=9, noted=False)
PUBLICATION = PublicationSpec(
    "pub_p",
    frozenset({
        PublishedTableSpec(USERS, None),
        PublishedTableSpec(PEDIDOS, frozenset({"numero", "id"}), "(id > 5)"),
    }),
    frozenset({"update", "delete", "insert"}),
)  # fmt: skip
PARTS = 'TABLE "public"."user", "v"."pedidos" ("id", "numero") WHERE ((id > 5))'
SUBSCRIPTION = SubscriptionSpec(
    name="sub_v",
    slot="slot_v",
    publications=frozenset({"pub_b", "pub_a"}),
    conninfo=frozenset({("user", "x"), ("host", "h")}),
    options=frozenset({("synchronous_commit", "off"), ("binary", "false")}),
)
CAREFUL = """ALTER SUBSCRIPTION "sub_v" SET (binary = 'false', synchronous_commit = 'on')"""
AT_ONCE = replace(
    SUBSCRIPTION, slot=None, options=frozenset({("synchronous_commit", "on"), ("binary", "false")})
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
TRIGGER = TriggerSpec("project", "projection.project_user", event="AFTER INSERT", projects=True)
TRIGGERED = [
    'CREATE OR REPLACE TRIGGER "project" AFTER INSERT ON "public"."user" FOR EACH ROW EXECUTE FUNCTION'
    ' "projection"."project_user"()',
    'ALTER TABLE "public"."user" ENABLE ALWAYS TRIGGER "project"',
]
TABLE = TableSpec(
    USERS,
    {"id": ColumnSpec("id", "integer", not_null=True), "nome": ColumnSpec("nome", "text")},
    ("id", "nome"),
    frozenset({TRIGGER, TriggerSpec("land", "projection.land", event="BEFORE INSERT")}),
)
HEART = (
    'INSERT INTO "public"."user" (id, beat, beat_at) VALUES (1, extract(epoch FROM now())::bigint, now())'
    " ON CONFLICT DO NOTHING"
)
MADE = [
    'CREATE SCHEMA IF NOT EXISTS "public"',
    'CREATE TABLE "public"."user" ("id" integer NOT NULL, "nome" text, PRIMARY KEY ("id", "nome"))',
    'CREATE OR REPLACE TRIGGER "land" BEFORE INSERT ON "public"."user" FOR EACH ROW EXECUTE FUNCTION'
    ' "projection"."land"()',
    'ALTER TABLE "public"."user" ENABLE ALWAYS TRIGGER "land"',
    *TRIGGERED,
]
NARROW, WIDE = IdentitySpec(frozenset({"id"})), IdentitySpec(frozenset({"id", "status", "a"}))
FULL = IdentitySpec(frozenset(), full=True)
WIDE_THERE = replace(WIDE, index="ponte_identity_pedidos_a_status")
ON_WIDE = 'USING INDEX "ponte_identity_pedidos_a_status"'
MADE_WIDE = [
    'CREATE UNIQUE INDEX IF NOT EXISTS "ponte_identity_pedidos_a_status"'
    ' ON "v"."pedidos" ("id", "a", "status")',
    f'ALTER TABLE "v"."pedidos" REPLICA IDENTITY {ON_WIDE}',
]


def grant(privilege: str, kind: GrantKind, target: str, column: str = "") -> GrantSpec:
    return GrantSpec("ana", kind, target, privilege, column)


COLUMNS = (
    grant("select", GrantKind.TABLE, "v.pedidos", "id"), grant("select", GrantKind.TABLE, "v.pedidos", "nr"),
)  # fmt: skip
SQL: dict[str, tuple[Step, list[str]]] = {
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
    "create table": (CreateTable("e", TABLE), ["BEGIN", *MADE, "COMMIT"]),
    "create table with its row": (
        CreateTable("e", replace(TABLE, filled=True)),
        ["BEGIN", *MADE, HEART, "COMMIT"],
    ),
    "start heart": (StartHeart("e", USERS), [HEART]),
    "add column": (
        AddColumn("e", USERS, ColumnSpec("n", "bigint")),
        ['ALTER TABLE "public"."user" ADD COLUMN "n" bigint'],
    ),
    "add key column": (
        AddColumn("e", USERS, ColumnSpec("n", "bigint", not_null=True)),
        ['ALTER TABLE "public"."user" ADD COLUMN "n" bigint NOT NULL'],
    ),
    "alter column type": (
        AlterColumnType("e", USERS, ColumnSpec("n", "text")),
        ['ALTER TABLE "public"."user" ALTER COLUMN "n" TYPE text USING "n"::text'],
    ),
    "mark backfill": (
        MarkBackfill("e", PEDIDOS, ("n", SWEEP, COPY)),
        [
            """COMMENT ON COLUMN "v"."pedidos"."n" IS 'ponte: old rows are to be filled from the source'""",
            """COMMENT ON TABLE "v"."pedidos" IS 'ponte: old rows are to be filled from the source'""",
            """COMMENT ON TABLE "v"."pedidos" IS 'ponte: to be copied again from the source'""",
        ],
    ),
    "empty columns": (
        EmptyColumns("e", PEDIDOS, (("a", "NULL"), ("b", "''::text")), "s", "slot_v"),
        [
            "\\echo 'ask on s until it says t: SELECT confirmed_flush_lsn >= pg_current_wal_lsn()"
            " FROM pg_replication_slots WHERE slot_name = ''slot_v'''",
            "\\prompt 'Enter when it does ' done",
            "BEGIN",
            "SET LOCAL session_replication_role = replica",
            """UPDATE "v"."pedidos" SET "a" = NULL, "b" = ''::text WHERE "a" IS DISTINCT FROM NULL"""
            """ OR "b" IS DISTINCT FROM ''::text""",
            "COMMIT",
        ],
    ),
    "widen identity": (SetIdentity("e", PEDIDOS, WIDE, NARROW, "id"), MADE_WIDE),
    "widen identity of another index": (
        SetIdentity("e", PEDIDOS, WIDE, replace(NARROW, index="old"), "id"),
        [*MADE_WIDE, 'DROP INDEX IF EXISTS "v"."old"'],
    ),
    "identity as its index is": (SetIdentity("e", PEDIDOS, WIDE, WIDE_THERE, "id"), MADE_WIDE),
    "narrow identity": (
        SetIdentity("e", PEDIDOS, NARROW, WIDE_THERE, "id"),
        [
            'ALTER TABLE "v"."pedidos" REPLICA IDENTITY DEFAULT',
            'DROP INDEX IF EXISTS "v"."ponte_identity_pedidos_a_status"',
        ],
    ),
    "identity from full": (
        SetIdentity("e", PEDIDOS, NARROW, FULL, "id"),
        ['ALTER TABLE "v"."pedidos" REPLICA IDENTITY DEFAULT'],
    ),
    "set trigger": (
        SetTrigger("e", USERS, TRIGGER),
        ["BEGIN", *TRIGGERED, """SELECT projection.reproject('"public"."user"'::regclass)""", "COMMIT"],
    ),
    "set trigger that projects nothing": (
        SetTrigger("e", USERS, replace(TRIGGER, projects=False)),
        ["BEGIN", *TRIGGERED, "COMMIT"],
    ),
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
    "note gap": (NoteGap("e", NOTES, GAP), ['UPDATE "guard"."gaps" SET noted = true WHERE id <= 7']),
    "close gap": (CloseGap("e", NOTES, GAP), ['DELETE FROM "guard"."gaps" WHERE id <= 7']),
    "close every gap": (CloseGap("e", NOTES, None), ['DELETE FROM "guard"."gaps"']),
    "create slot": (
        CreateSlot("e", SlotSpec("slot_v")),
        ["SELECT pg_create_logical_replication_slot('slot_v', 'pgoutput')"],
    ),
    "reset column": (
        ResetColumn("e", Unusual("pg_subscription", "sub_v", "suborigin", "none")),
        ['ALTER SUBSCRIPTION "sub_v" SET (origin = any)'],
    ),
    "forget marks": (
        ForgetMarks("e", PEDIDOS, ("n",)),
        ['COMMENT ON COLUMN "v"."pedidos"."n" IS NULL'],
    ),
    "renew slot": (
        RenewSlot("e", SlotSpec("slot_v"), "lost"),
        [
            "SELECT pg_drop_replication_slot('slot_v')",
            "SELECT pg_create_logical_replication_slot('slot_v', 'pgoutput')",
        ],
    ),
    "renew versions": (
        RenewVersions("e", (PEDIDOS,), 7),
        [
            "BEGIN",
            "ALTER SEQUENCE projection.versao_seq RESTART WITH 8",
            'UPDATE "v"."pedidos" SET versao = versao',
            "COMMIT",
        ],
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
    "drop slot": (DropSlot("e", SlotSpec("slot_v")), ["SELECT pg_drop_replication_slot('slot_v')"]),
    "drop origin": (DropOrigin("e", "pg_9"), ["SELECT pg_replication_origin_drop('pg_9')"]),
    "drop role": (DropRole("e", "ana"), ['DROP OWNED BY "ana"', 'DROP ROLE "ana"']),
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


def print_step(step: Step) -> list[str]:
    return [line for act in to_sql(step) for line in print_act(act, at=step.endpoint)]


@pytest.mark.parametrize("name", SQL)
def test_a_change_is_made_by_these_words(name: str) -> None:
    step, words = SQL[name]
    assert print_step(step) == words


def test_settling_waits_for_every_table_of_that_subscription() -> None:
    wait, settle = print_step(SettleSubscription("e", SUBSCRIPTION))
    assert "s.subname = 'sub_v' AND r.srsubstate <> 'r'" in wait
    assert "s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())" in wait
    assert settle == """ALTER SUBSCRIPTION "sub_v" SET (binary = 'false', synchronous_commit = 'off')"""


EXAMPLES = {
    type(step): step
    for step in (
        *(step for step, _ in SQL.values()),
        Backfill("e", PEDIDOS, ("n",), "s", "id"),
        SettleSubscription("e", SUBSCRIPTION),
    )
}


@pytest.mark.parametrize("kind", get_args(Step), ids=lambda kind: kind.__name__)
def test_every_kind_has_words_and_what_is_printed_is_what_apply_can_run(kind: type[Step]) -> None:
    step = EXAMPLES[kind]
    assert describe(step).startswith(action_of(step) + " ")
    acts = to_sql(step)
    assert acts, "apply would do nothing"
    for act in acts:
        assert isinstance(act, get_args(Act)), "apply's dispatch, which mypy closes, does not know it"
        assert "".join(print_act(act, at="e")).strip(), "it would not be seen by hand"


def test_the_union_holds_every_kind() -> None:
    assert set(get_args(Step)) == set(Change.__subclasses__())


def test_every_act_is_needed() -> None:
    acts = [act for step in EXAMPLES.values() for act in to_sql(step)]
    parts = [part for act in acts if isinstance(act, Together) for part in act.parts]
    assert {type(act) for act in acts} == set(get_args(Act))
    assert {type(part) for part in parts} == set(get_args(Part))


@pytest.mark.parametrize("dispatch", [describe, to_sql])
def test_what_is_no_step_is_refused_everywhere(dispatch: Callable[[Any], object]) -> None:
    with pytest.raises(AssertionError):
        dispatch(Change("e"))


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"id"}, ""),
        ({"id", "b", "a"}, "ponte_identity_pedidos_a_b"),
        ({"id", "x" * 60}, ("ponte_identity_pedidos_" + "x" * 60)[:63]),
    ],
)
def test_an_identitys_index_is_named_by_what_it_holds_beyond_the_key(columns: set[str], name: str) -> None:
    assert identity_index(PEDIDOS, frozenset(columns), "id") == name


FILL = Backfill("e", PEDIDOS, ("a", SWEEP, "b"), "sgp", "nr", "(id > 5)")
STAGED = 'SELECT "nr", "a", "b" FROM "v"."pedidos" WHERE (id > 5)'
LOCKED = [
    "SET LOCAL session_replication_role = replica",
    'LOCK TABLE "v"."pedidos" IN SHARE ROW EXCLUSIVE MODE',
    'CREATE TEMP TABLE "ponte_stage" ON COMMIT DROP AS SELECT "nr", "a", "b" FROM "v"."pedidos" LIMIT 0',
]
UNMARKED = [
    'COMMENT ON COLUMN "v"."pedidos"."a" IS NULL',
    'COMMENT ON TABLE "v"."pedidos" IS NULL',
    'COMMENT ON COLUMN "v"."pedidos"."b" IS NULL',
]
FILLED = (
    'UPDATE "v"."pedidos" AS t SET ("a", "b") = ROW(s."a", s."b") FROM "ponte_stage" AS s'
    ' WHERE s."nr" = t."nr" AND (t."a", t."b") IS DISTINCT FROM (s."a", s."b")'
)
SWEPT = (
    'DELETE FROM "v"."pedidos" AS t WHERE NOT EXISTS (SELECT FROM "ponte_stage" AS s WHERE s."nr" = t."nr")'
)


ASK_ON_SGP = (
    "\\echo 'ask on sgp until it says t: SELECT NOT EXISTS (SELECT FROM pg_subscription_rel r"
    " JOIN pg_subscription s ON s.oid = r.srsubid WHERE r.srsubstate <> ''r''"
    " AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))'"
)
CARRIED = [
    f"\\echo 'now on sgp: \\\\copy ({STAGED}) TO ''v.pedidos.copy'''",
    "\\prompt 'Enter when it is done ' done",
    "\\copy \"ponte_stage\" FROM 'v.pedidos.copy'",
]


def test_filling_waits_for_copies_at_both_ends() -> None:
    asked, enter, wait, *_ = print_step(FILL)
    assert (asked, enter) == (ASK_ON_SGP, "\\prompt 'Enter when it does ' done")
    assert wait.startswith("DO $wait$")
    assert "WHERE r.srsubstate <> 'r' AND s.subdbid =" in wait


def test_columns_are_filled_rows_swept_and_the_notes_taken_away_under_a_lock() -> None:
    assert print_step(FILL)[3:] == ["BEGIN", *LOCKED, *CARRIED, FILLED, SWEPT, *UNMARKED, "COMMIT"]
    whole = [line.replace(" WHERE (id > 5)", "") for line in CARRIED]
    assert print_step(replace(FILL, where=None))[7:10] == whole


def test_what_is_not_asked_for_is_neither_filled_nor_swept() -> None:
    filled, swept = (print_step(replace(FILL, columns=columns))[10:] for columns in (("a", "b"), (SWEEP,)))
    assert filled == [FILLED, UNMARKED[0], UNMARKED[2], "COMMIT"]
    assert swept == [SWEPT, UNMARKED[1], "COMMIT"]
