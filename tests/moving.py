"""SGP's rows, copied from its file into PostgreSQL as a tool of SGP's would."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from psycopg import sql

from db.engines import Connection

TABLES = ("pedidos", "pedido_imagens", "user", "revoked_tokens")


def copy_rows(path: Path, conn: Connection, *, but: int = 0) -> None:
    """Copy every table, each value as its column's type, with SGP stopped. but: an order to forget."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as file, conn.transaction():
        conn.execute('TRUNCATE pedidos, pedido_imagens, "user", revoked_tokens RESTART IDENTITY CASCADE')
        for table in TABLES:
            rows = file.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # ours
            names = [column[0] for column in rows.description]
            statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join(sql.Placeholder() * len(names)),
            )
            for row in rows:
                if (table, row[names.index("id")]) != ("pedidos", but):
                    conn.execute(statement, [None if one is None else str(one) for one in row])


def copy_back(conn: Connection, path: Path) -> None:
    """Copy every table into the file, as text where SQLite has no such type, with SGP stopped."""
    with closing(sqlite3.connect(path)) as file, file:
        for table in TABLES:
            cursor = conn.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            names = [column.name for column in cursor.description or ()]
            places = ", ".join("?" * len(names))
            columns = ", ".join(f'"{name}"' for name in names)
            file.execute(f'DELETE FROM "{table}"')  # noqa: S608  # ours
            rows = [[to_sqlite(one) for one in row] for row in cursor]
            file.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({places})', rows)  # noqa: S608


def to_sqlite(value: object) -> object:
    """Return a value as an ORM writes it into a file."""
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)
