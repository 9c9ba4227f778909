"""The SQL of what is pushed. Pure."""

from __future__ import annotations

from typing import assert_never

from psycopg import sql

from publications.ddl.acts import Act
from publications.ddl.statement import compose, join
from publications.decide.changes.pushes import DropPush, PushStep, SetPush

SET_PUSH = """INSERT INTO push.ways AS held (subscriber, role, slot, publications)
VALUES ({}, {}, {}, ARRAY[{}])
ON CONFLICT (subscriber) DO UPDATE
  SET role = excluded.role, slot = excluded.slot, publications = excluded.publications, incarnation = NULL"""


def push_to_sql(step: PushStep) -> list[Act]:
    """Return what changes that which is pushed; without an incarnation everything is sent again."""
    match step:
        case SetPush(push=push):
            names = join(map(sql.Literal, sorted(push.publications)))
            return [compose(SET_PUSH, push.subscriber, push.role, push.slot, names)]
        case DropPush(subscriber=subscriber):
            return [compose("DELETE FROM push.ways WHERE subscriber = {}", subscriber)]
        case _:
            assert_never(step)
