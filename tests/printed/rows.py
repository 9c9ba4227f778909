"""The SQL of each change of rows, word for word."""

from __future__ import annotations

from publications.decide.changes.rows import (
    CloseGap,
    EmptyColumns,
    ForgetMarks,
    MarkBackfill,
    NoteGap,
    RenewVersions,
)
from publications.decide.changes.step import Step
from publications.decide.spec import (
    COPY,
    SWEEP,
    GapSpec,
)
from tests.printed.specs import NOTES, PEDIDOS

GAP = GapSpec(up_to=7, after_beat=3, beat=9, noted=False)
ROWS: dict[str, tuple[Step, list[str]]] = {
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
    "note gap": (NoteGap("e", NOTES, GAP), ['UPDATE "guard"."gaps" SET noted = true WHERE id <= 7']),
    "close gap": (CloseGap("e", NOTES, GAP), ['DELETE FROM "guard"."gaps" WHERE id <= 7']),
    "close every gap": (CloseGap("e", NOTES, None), ['DELETE FROM "guard"."gaps"']),
    "forget marks": (
        ForgetMarks("e", PEDIDOS, ("n",)),
        ['COMMENT ON COLUMN "v"."pedidos"."n" IS NULL'],
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
}
