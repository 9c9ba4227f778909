"""The SQL of each change of tables, their triggers and identities, word for word."""

from __future__ import annotations

from dataclasses import replace

from publications.decide.changes.step import Step
from publications.decide.changes.tables import (
    AddColumn,
    AlterColumnType,
    CreateTable,
    SetIdentity,
    SetTrigger,
    StartHeart,
)
from publications.decide.spec import (
    ColumnSpec,
    IdentitySpec,
    TableSpec,
    TriggerSpec,
)
from tests.printed.specs import PEDIDOS, USERS

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
TABLES: dict[str, tuple[Step, list[str]]] = {
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
}
