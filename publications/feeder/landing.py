"""The vitrine's side: what has landed, and the one transaction that lands what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import psycopg
from psycopg import sql

from db.engines import Connection, connect
from db.errors import PonteError
from db.sgp_file import Signature
from db.sqlfile import read_blocks
from publications.declare.declaration import LandedTable
from publications.feeder.look import Difference, Look, Row, Unchanged
from publications.feeder.values import READERS, Landed, UnreadValueError, read_value

APPLICATION = "ponte-feeder"
UNLANDED = "PF001"
"""Stands in a dead letter for a row that could not land; the projection's own retries pass it by."""
_SQL = read_blocks("publications", "feeder")

Mode = Literal["freely", "guarded"]
"""How the projection works (ADR 19)."""


class LandingError(PonteError):
    """The landing tables are not as the feeder needs them."""


@dataclass
class Held:
    """What has landed, as the vitrine remembers it."""

    digests: dict[str, dict[int, bytes | None]]
    identity: str | None
    counter: int | None
    gap: int | None
    """The newest note of lost changes; all rows are written anew to mend them."""
    unchanged: Unchanged = field(default_factory=dict)
    """What spares looks their digests; it goes with what was read here."""


@dataclass
class Written:
    """What one transaction did."""

    rows: int = 0
    gone: int = 0
    unread: int = 0
    unlanded: int = 0
    failed: dict[str, set[int]] = field(default_factory=dict)
    """Rows that the landing table refused, by table; they are tried again at each look."""


class Landing:
    """One session on the vitrine, and what has landed there. Only one feeder has one at a time."""

    def __init__(self, dsn: str, tables: Sequence[LandedTable]) -> None:
        """Open it. Raise LandingError, or psycopg.Error."""
        self._tables = {str(table.name): table for table in tables}
        self._conn: Connection = connect(dsn, application=APPLICATION)
        self._careful = False
        try:
            if self._conn.execute(_SQL["hold"]).fetchone() != (True,):
                raise LandingError(
                    "another feeder is at work on this vitrine",
                    "stop it; one that was killed lets go within a minute",
                )
            self._types = self._read_types()
            self.held = self._read_held()
        except BaseException:
            self._conn.close()
            raise

    def close(self) -> None:
        """Let go."""
        self._conn.close()

    def _names(self) -> list[str]:
        return list(self._tables)

    def _read_types(self) -> dict[str, dict[str, str]]:
        types: dict[str, dict[str, str]] = {name: {} for name in self._tables}
        for landing, column, type_ in self._conn.execute(_SQL["columns"], [self._names()]):
            types[landing][column] = type_
        projected = {row[0] for row in self._conn.execute(_SQL["triggers"], [self._names()])}
        for name, table in self._tables.items():
            unfit = [column for column in table.columns if types[name].get(column) not in READERS]
            if unfit or name not in projected:
                what = f"column {name}.{unfit[0]}" if unfit else f"a projected table {name}"
                raise LandingError(
                    f"the vitrine has not {what} as the declaration needs it", "run 'ponte apply'"
                )
        return types

    def _read_held(self) -> Held:
        """What is in a landing table and was not fed, or was changed by hand to be gone, is written anew."""
        row = self._conn.execute(_SQL["state"]).fetchone()
        if row is None:
            raise LandingError("projection.feed has no row", "run 'ponte migrate'")
        anew = row[-1] is not None
        return Held({name: self._read_digests(name, anew=anew) for name in self._tables}, *row)

    def mend(self) -> None:
        """Have all rows written anew once changes were lost on landing, such as by a TRUNCATE by hand."""
        row = self._conn.execute(_SQL["state"]).fetchone()
        if row and row[-1] != self.held.gap:
            self.held = self._read_held()

    def _read_digests(self, landing: str, *, anew: bool) -> dict[int, bytes | None]:
        query = sql.SQL(
            "SELECT l.id, f.digest FROM {} AS l LEFT JOIN projection.fed_rows AS f"
            " ON f.landing = %s AND f.key = l.id"
        ).format(self._identify(landing))
        rows = self._conn.execute(query, [landing])
        return {key: None if anew else digest for key, digest in rows}

    def _identify(self, landing: str) -> sql.Identifier:
        table = self._tables[landing].name
        return sql.Identifier(table.schema, table.name)

    def write(self, look: Look, signature: Signature, *, elapsed_s: float, took_s: float) -> Written:
        """Land a look: differences, digests and, if it is whole, the beat, in one transaction.

        Raise LandingError where a subscription writes here too.
        """
        mode: Mode = "guarded" if self._careful or self._has_dead() else "freely"
        timed = {"elapsed_s": elapsed_s, "took_s": took_s}
        try:
            written = self._write(look, signature, mode=mode, timed=timed)
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            if mode == "guarded":
                raise
            written = self._write(look, signature, mode="guarded", timed=timed)
        self._careful = bool(written.failed)
        self._remember(look, signature, written)
        return written

    def _has_dead(self) -> bool:
        return self._conn.execute(_SQL["dead"], [UNLANDED]).fetchone() == (True,)

    def _write(self, look: Look, signature: Signature, *, mode: Mode, timed: Mapping[str, float]) -> Written:
        written = Written()
        with self._conn.transaction():
            self._conn.execute(_SQL["begin"], [mode])
            self._refuse_subscriptions()
            for one in look.differences:
                self._write_table(one, mode, written)
            if look.is_whole:
                self._tell_whole(look, signature, timed)
        return written

    def _refuse_subscriptions(self) -> None:
        found = [row[0] for row in self._conn.execute(_SQL["subscriptions"], [self._names()])]
        if found:
            raise LandingError(
                f"the subscription {found[0]} writes these landing tables too",
                "with the intake of kind sqlite it goes by 'ponte apply --allow-drop'; with another kind stop"
                " the feeder",
            )

    def _tell_whole(self, look: Look, signature: Signature, timed: Mapping[str, float]) -> None:
        if self._conn.execute(_SQL["beat"], timed).rowcount == 0:
            self._conn.execute(_SQL["first_beat"], timed)
        if self.held.gap is not None:
            self._conn.execute(_SQL["close_gap"], [self.held.gap])
        told = {
            **timed,
            "identity": signature.identity,
            "counter": signature.counter,
            "schema_version": look.schema_version,
        }
        self._conn.execute(_SQL["tell_look"], told)

    def _write_table(self, one: Difference, mode: Mode, written: Written) -> None:
        landing = str(one.table.name)
        if one.gone:
            self._delete(landing, list(one.gone))
            written.gone += len(one.gone)
        if one.written:
            self._land(landing, one, mode, written)
        kept = one.keyless | written.failed.get(landing, set())
        written.unlanded += len(kept)
        given = {"landing": landing, "sqlstate": UNLANDED, "kept": list(kept)}
        self._conn.execute(_SQL["unbury"], given)
        for key in one.keyless:
            self._conn.execute(_SQL["bury"], {"landing": landing, "key": key, "sqlstate": UNLANDED})

    def _delete(self, landing: str, keys: list[int]) -> None:
        query = sql.SQL("DELETE FROM {} WHERE id = ANY (%s)").format(self._identify(landing))
        self._conn.execute(query, [keys])
        for block in ("forget_digests", "forget_unread"):
            self._conn.execute(_SQL[block], {"landing": landing, "keys": keys})

    def _land(self, landing: str, one: Difference, mode: Mode, written: Written) -> None:
        types = [self._types[landing][column] for column in one.columns]
        rows: dict[int, list[Landed]] = {}
        unread: dict[int, list[str]] = {}
        for key, row in one.written.items():
            rows[key], bad = _read_row(row, one.columns, types)
            if bad:
                unread[key] = bad
        refused = self._copy(landing, one.columns, rows, mode)
        if refused:
            written.failed[landing] = refused
        keys = [key for key in rows if key not in refused]
        digests = [one.digests[key] for key in keys]
        self._conn.execute(_SQL["write_digests"], {"landing": landing, "keys": keys, "digests": digests})
        self._conn.execute(_SQL["forget_unread"], {"landing": landing, "keys": keys})
        for key, columns in unread.items():
            if key not in refused:
                self._conn.execute(_SQL["note_unread"], {"landing": landing, "key": key, "columns": columns})
        written.rows += len(keys)
        written.unread += len(unread)

    def _copy(
        self, landing: str, columns: Sequence[str], rows: Mapping[int, list[Landed]], mode: Mode
    ) -> set[int]:
        """Write rows, by the table's trigger also over those that are there. Return those refused."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(self._identify(landing), names)
        if mode == "freely":
            self._copy_rows(query, list(rows.values()))
            return set()
        refused = set()
        for key, row in rows.items():
            try:
                with self._conn.transaction():
                    self._copy_rows(query, [row])
            except psycopg.OperationalError:
                raise
            except psycopg.Error:
                refused.add(key)
                self._conn.execute(_SQL["bury"], {"landing": landing, "key": key, "sqlstate": UNLANDED})
        return refused

    def _copy_rows(self, query: sql.Composed, rows: Sequence[Sequence[Landed]]) -> None:
        with self._conn.cursor() as cursor, cursor.copy(query) as copy:
            for row in rows:
                copy.write_row(row)

    def _remember(self, look: Look, signature: Signature, written: Written) -> None:
        for one in look.differences:
            landing = str(one.table.name)
            known, refused = self.held.digests[landing], written.failed.get(landing, set())
            for key in one.gone:
                del known[key]
            known |= {key: digest for key, digest in one.digests.items() if key not in refused}
        if look.is_whole:
            self.held.identity, self.held.counter = signature.identity, signature.counter
            self.held.gap = None

    def tell_fault(self, error: PonteError) -> None:
        """Leave word for whoever watches why nothing is landed."""
        self._conn.execute(_SQL["tell_fault"], {"fault": error.fact, "hint": error.hint})


def _read_row(row: Row, columns: Sequence[str], types: Sequence[str]) -> tuple[list[Landed], list[str]]:
    """Return the values, and the columns of those that could not be read."""
    values: list[Landed] = []
    unread = []
    for value, column, type_ in zip(row, columns, types, strict=True):
        try:
            values.append(read_value(value, type_))
        except UnreadValueError:
            values.append(None)
            unread.append(column)
    return values, unread
