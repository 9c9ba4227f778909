"""Compare a subscriber's rows with the window's, by key and versao: what did not arrive shows on any server.

Sums are compared first; where they differ, because something is on its way or lost, each row is. It must be
there, not older than it was sent, once all that was sent until then is confirmed; see docs/adr/0023.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql

from db.engines import Connection
from db.sqlfile import read_blocks
from publications.decide.spec import HopSpec
from publications.decide.wanted import HEARTBEAT
from publications.declare.names import TableName

POLL_S = 0.1
MOST = 10_000
"""So many doubtful rows of a table are looked at again; more are found when those are mended."""

Rows = Mapping[Hashable, int]
"""By key: versao."""

_SQL = read_blocks("publications", "compare")


@dataclass(frozen=True)
class Comparer:
    """One hop that ends at a window, with a session at each end."""

    source: Connection
    target: Connection
    hop: HopSpec
    slot: str

    def find_lost(self, *, timeout_s: float) -> dict[TableName, int] | None:
        """Return how many rows of each table are missing, too old or left over; None if none can tell."""
        ready = self._find_ready()
        if not ready:
            return None
        sums = _read_sums(self.source, ready, self.hop.wheres)
        doubtful = [
            table for table, held in _read_sums(self.target, ready, {}).items() if held != sums[table]
        ]
        if not doubtful:
            return {}
        sent = {table: self._read_sent(table) for table in doubtful}
        newest = self._read_newest()
        if not self._wait_for_arrival(timeout_s):
            return None
        lost = {table: self._count_lost(table, rows, newest) for table, rows in sent.items()}
        still = self._find_ready()
        return {table: count for table, count in lost.items() if count and table in still}

    def _find_ready(self) -> list[TableName]:
        """Return the tables that follow: one that is copied right now differs, and nothing is lost."""
        rows = self.target.execute(_SQL["ready"], [self.hop.subscription]).fetchall()
        following = {TableName(schema, table) for schema, table in rows}
        return [
            table for table in self.hop.publications if table in following and table.name != HEARTBEAT.name
        ]

    def _read_sent(self, table: TableName, keys: Collection[Hashable] | None = None) -> Rows:
        return _read_rows(self.source, table, self.hop.keys[table], self.hop.wheres.get(table), keys)

    def _read_newest(self) -> int:
        row = self.source.execute(_SQL["newest"]).fetchone()
        return row[0] if row else 0

    def _wait_for_arrival(self, timeout_s: float) -> bool:
        """Wait until the subscriber has confirmed all that is written now."""
        deadline = time.monotonic() + timeout_s
        [written] = self.source.execute(_SQL["written"]).fetchone() or [None]
        while not self.source.execute(_SQL["confirmed"], [self.slot, written]).fetchone():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def _count_lost(self, table: TableName, sent: Rows, newest: int) -> int:
        """Count what the target should have had, or not have any more, and the source still says so."""
        held = _read_rows(self.target, table, self.hop.keys[table], None)
        absent = [key for key, versao in sent.items() if held.get(key, -1) < versao][:MOST]
        bound = max([newest, *sent.values()])
        extra = [key for key, versao in held.items() if key not in sent and versao <= bound][:MOST]
        now = self._read_sent(table, [*absent, *extra]) if absent or extra else {}
        return sum(now.get(key) == sent[key] for key in absent) + sum(key not in now for key in extra)


def _read_sums(
    conn: Connection, tables: Iterable[TableName], wheres: Mapping[TableName, str]
) -> dict[TableName, tuple[int, int]]:
    """Return each table's count and sum, in one round trip."""
    query = sql.SQL("SELECT {name}, {table}, count(*), coalesce(sum(versao), 0) FROM {of} WHERE {where}")
    parts = [
        query.format(
            name=table.schema,
            table=table.name,
            of=sql.Identifier(table.schema, table.name),
            where=_where(wheres.get(table)),
        )
        for table in tables
    ]
    rows = conn.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
    return {TableName(schema, name): (count, int(total)) for schema, name, count, total in rows}


def _read_rows(
    conn: Connection,
    table: TableName,
    key: str,
    where: str | None,
    keys: Collection[Hashable] | None = None,
) -> Rows:
    # Literals: a filter may hold a percent sign.
    given = sql.SQL("{} = ANY ({})").format(sql.Identifier(key), sql.Literal(list(keys or ())))
    query = sql.SQL("SELECT {key}, versao FROM {of} WHERE {where} AND {among}").format(
        key=sql.Identifier(key),
        of=sql.Identifier(table.schema, table.name),
        where=_where(where),
        among=sql.SQL("true") if keys is None else given,
    )
    return dict(conn.execute(query).fetchall())


def _where(where: str | None) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(where)) if where else sql.SQL("true")
