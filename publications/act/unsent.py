"""Looks at what a slot has still to send, and leaves it there."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping

import psycopg

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.decide.misfit import SentRelation
from publications.declare.names import TableName

_SQL = read_blocks("publications", "unsent")

MOST = 10_000
"""So many changes are looked at; what comes after them is met when these have passed."""
TRIES = 10
_HEAD = struct.Struct("!cI")
_COUNT = struct.Struct("!bh")
_TYPE = struct.Struct("!Ii")


def read_unsent(conn: Connection, slot: str, publications: Collection[str]) -> list[SentRelation] | None:
    """Return how tables are described in what a slot would send next; nothing where it is being read.

    publications: what its subscription follows. None: one of them was not there when that was written.
    """
    try:
        return _peek(conn, slot, publications)
    except psycopg.errors.UndefinedObject:
        return None


def _peek(conn: Connection, slot: str, publications: Collection[str]) -> list[SentRelation]:
    """Look without taking. A slot that stays in use is being read: nothing stands still."""
    given = {"slot": slot, "publications": ",".join(sorted(publications)), "most": MOST}
    for _ in range(TRIES):
        if conn.execute(_SQL["at_work"], given).fetchone():
            return []
        try:
            with conn.transaction():
                conn.execute("SET LOCAL statement_timeout = '20s'")
                rows = conn.execute(_SQL["relations"], given, binary=True).fetchall()
        except (psycopg.errors.ObjectInUse, psycopg.errors.QueryCanceled):
            continue
        except psycopg.errors.ObjectNotInPrerequisiteState:  # it is lost
            return []
        types: dict[int, str] = dict(conn.execute(_SQL["types"]).fetchall())
        return [_decode(bytes(row[0]), types) for row in rows]
    return []


def _decode(message: bytes, types: Mapping[int, str]) -> SentRelation:
    """Read pgoutput's Relation message; a type of the shop's own is sent, and taken, as text."""
    schema, table, rest = message[_HEAD.size :].split(b"\0", 2)
    _, count = _COUNT.unpack_from(rest)
    rest = rest[_COUNT.size :]
    columns = {}
    for _ in range(count):
        name, rest = rest[1:].split(b"\0", 1)
        columns[name.decode()] = types.get(_TYPE.unpack_from(rest)[0], "text")
        rest = rest[_TYPE.size :]
    return SentRelation(TableName(schema.decode() or "pg_catalog", table.decode()), columns)
