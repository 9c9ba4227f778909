"""What leaves of one table, by its publication. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from publications.decide.hops import key_of
from publications.declare.names import TableName


@dataclass(frozen=True)
class Published:
    """What leaves of one table."""

    table: TableName
    columns: tuple[str, ...]
    where: str | None

    @property
    def key(self) -> str:
        """Return the column that names a row."""
        return key_of(self.table)

    def select(self, *, key: bool = False) -> sql.Composed:
        """Return what reads its rows, or the one with a given key, as they are published."""
        tests = [sql.SQL("({})").format(sql.SQL(self.where))] if self.where else []
        if key:
            tests.append(sql.SQL("{}::text = %s").format(sql.Identifier(self.key)))
        where = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(tests)) if tests else sql.SQL("")
        return sql.SQL("SELECT {} FROM {}{}").format(
            sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            sql.Identifier(self.table.schema, self.table.name),
            where,
        )
