"""One end of a table that is compared: digests, keys and states of rows, by its server; no row leaves it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from db.engines import Connection
from publications.decide.grants import VERSION, WRITTEN_BY
from publications.declare.names import TableName
from publications.prove.pairs import TablePair
from publications.prove.ranges import NOTHING, Digest, Key, KeyRange

_CANONICAL = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
"""What makes a row's text the same on every server, and keeps a question to one of its cores."""


@dataclass(frozen=True)
class RowState:
    """A row as it was when asked for."""

    mix: int
    """A hash of all that is sent of it."""
    version: int
    """Another number for each change: its versao, else the transaction that wrote it."""


class TableSide:
    """One end, the source or the target. one_encoding: both ends keep text in the same one."""

    def __init__(self, conn: Connection, pair: TablePair, *, is_source: bool, one_encoding: bool) -> None:
        where = pair.where if is_source else None
        self.conn = conn
        self._pair = pair
        self._key = sql.Identifier(pair.key)
        self._table = name_of(pair.table)
        self._mix = _compose_mix(pair, one_encoding=one_encoding, is_source=is_source)
        self._version = (
            sql.Identifier(VERSION)
            if pair.versioned
            else sql.SQL("{}::text::bigint").format(sql.Identifier(WRITTEN_BY))
        )
        self._where = sql.SQL("true") if where is None else sql.SQL("({})").format(_literally(where))

    def cut(self, within: KeyRange, rows: int) -> list[Key]:
        """Return each key of the range that begins another so many rows, but the first, ascending."""
        query = (
            "SELECT {key} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) - 1 AS place FROM {table}"
            " WHERE {within} AND {where}) AS kept WHERE place > 0 AND place %% %(rows)s = 0 ORDER BY {key}"
        )
        return [key for (key,) in self.conn.execute(*self._ask(query, within, rows=rows))]

    def digest(self, parts: Sequence[KeyRange]) -> list[Digest]:
        """Return the digest of each of these ranges, of which each begins where the one before ends."""
        cuts = [part.low for part in parts[1:]]
        part = sql.SQL("width_bucket({}, %(cuts)s)").format(self._key) if cuts else sql.SQL("0")
        query = "SELECT {part}, count(*), bit_xor({mix}) FROM {table} WHERE {within} AND {where} GROUP BY 1"
        whole = KeyRange(parts[0].low, parts[-1].high)
        rows = self.conn.execute(*self._ask(query, whole, part=part, cuts=cuts))
        found = {place: Digest(count, mix) for place, count, mix in rows}
        return [found.get(place, NOTHING) for place in range(len(parts))]

    def read(self, within: KeyRange) -> dict[Key, RowState]:
        """Return every row of a range by key."""
        query = "SELECT {key}, {mix}, {version} FROM {table} WHERE {within} AND {where}"
        return _states(self.conn.execute(*self._ask(query, within)).fetchall())

    def read_keys(self, keys: Collection[Key]) -> dict[Key, RowState]:
        """Return those of the rows that are there."""
        query = "SELECT {key}, {mix}, {version} FROM {table} WHERE {key} = ANY (%(keys)s) AND {where}"
        return _states(self.conn.execute(*self._ask(query, keys=list(keys))).fetchall()) if keys else {}

    def find_keys(self, keys: Collection[Key]) -> set[Key]:
        """Return those of the keys that are there, whether their rows are sent or not."""
        query = "SELECT {key} FROM {table} WHERE {key} = ANY (%(keys)s)"
        return {key for (key,) in self.conn.execute(*self._ask(query, keys=list(keys)))} if keys else set()

    def copy(self, keys: Collection[Key]) -> Iterator[bytes]:
        """Return these rows as COPY writes them: only the columns that are sent, of rows that are sent."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self._pair.columns))
        query = "COPY (SELECT {columns} FROM {table} WHERE {key} = ANY (%(keys)s) AND {where}) TO STDOUT"
        with self.conn.cursor() as cursor:
            asked, values = self._ask(query, columns=columns, keys=list(keys))
            with cursor.copy(asked, values) as rows:
                for piece in rows:
                    yield bytes(piece)

    def _ask(
        self, query: LiteralString, within: KeyRange | None = None, **values: object
    ) -> tuple[sql.Composed, Mapping[str, object]]:
        bounds = within or KeyRange()
        parts: dict[str, sql.Composable] = {
            name: value for name, value in values.items() if isinstance(value, sql.Composable)
        }
        composed = sql.SQL(query).format(
            key=self._key,
            table=self._table,
            mix=self._mix,
            version=self._version,
            where=self._where,
            within=_compose_bounds(self._pair.key, bounds),
            **parts,
        )
        return composed, {**values, "low": bounds.low, "high": bounds.high}


def find_end(conn: Connection, table: TableName, key: str, low: Key | None, *, rows: int) -> Key | None:
    """Return the key before which so many rows stand from `low` on; None where there are no more."""
    query = sql.SQL("SELECT {key} FROM {table} WHERE {within} ORDER BY {key} OFFSET %(rows)s LIMIT 1").format(
        key=sql.Identifier(key), table=name_of(table), within=_compose_bounds(key, KeyRange(low))
    )
    found = conn.execute(query, {"low": low, "rows": rows}).fetchone()
    return found[0] if found else None


def count_rows(conn: Connection, table: TableName, key: str, within: KeyRange) -> int:
    """Count the rows of a range."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(name_of(table), _compose_bounds(key, within))
    found = conn.execute(query, {"low": within.low, "high": within.high}).fetchone()
    return found[0] if found else 0


def make_canonical(conn: Connection) -> None:
    """Have a session word rows as all others do."""
    conn.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS t(name, value)",
        [list(_CANONICAL), list(_CANONICAL.values())],
    )


def read_encoding(conn: Connection) -> str:
    """Return in what the database keeps text."""
    return conn.info.parameter_status("server_encoding") or ""


def _compose_mix(pair: TablePair, *, is_source: bool, one_encoding: bool) -> sql.Composed:
    compose = _fingerprint if is_source else _landed_fingerprint
    columns = [compose(one) if one in pair.cleaned else sql.Identifier(one) for one in pair.columns]
    row = sql.SQL("ROW({})::text").format(sql.SQL(", ").join(columns))
    if one_encoding:
        return sql.SQL("hashtextextended({}, 0)").format(row)
    return sql.SQL("('x' || left(md5(convert_to({}, 'UTF8')), 16))::bit(64)::bigint").format(row)


def _fingerprint(column: str) -> sql.Composed:
    """Return what landing keeps of a text to tell it from others, of the text."""
    return sql.SQL("chr(29) || left(md5(convert_to({}, 'UTF8')), 4)").format(sql.Identifier(column))


def _landed_fingerprint(column: str) -> sql.Composed:
    """Return the same of what landing keeps; of what it keeps whole still, of that."""
    return sql.SQL("left(projection.landed({}), 5)").format(sql.Identifier(column))


def name_of(table: TableName) -> sql.Identifier:
    """Quote a table's name."""
    return sql.Identifier(table.schema, table.name)


def _compose_bounds(key: str, within: KeyRange) -> sql.Composed:
    bounds: list[sql.Composable] = [sql.SQL("true")]
    bounds += [sql.SQL("{} >= %(low)s").format(sql.Identifier(key))] if within.low is not None else []
    bounds += [sql.SQL("{} < %(high)s").format(sql.Identifier(key))] if within.high is not None else []
    return sql.SQL(" AND ").join(bounds)


def _literally(where: str) -> sql.SQL:
    """A percent sign of the declaration's is no parameter."""
    return sql.SQL(where.replace("%", "%%"))


def _states(rows: Collection[tuple[Key, int, int]]) -> dict[Key, RowState]:
    return {key: RowState(mix, version) for key, mix, version in rows}
