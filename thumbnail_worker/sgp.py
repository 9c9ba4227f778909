"""What the worker reads of SGP, wherever SGP keeps it: stored passwords and ended sessions."""

from __future__ import annotations

import re
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path

from db.errors import PonteError
from db.sgp_file import open_sgp_file, read_columns
from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SQL = read_blocks("thumbnail_worker", "queries")


class MissingInFileError(PonteError):
    """SGP's file has not what the worker reads."""


class Sgp(ABC):
    """SGP's database, of which no other column is read."""

    seconds: float = 30.0
    """How often a job looks here by itself; where changes are notified it is told sooner."""

    @abstractmethod
    def read_password_hashes(self) -> list[tuple[int, str | None]]:
        """Return every user's stored password by id."""

    @abstractmethod
    def read_revoked_tokens(self, since: str) -> list[tuple[str, str]]:
        """Return SGP's logouts with their ends, but for those that ended before that day."""

    @abstractmethod
    def close(self) -> None:
        """Let go; the next question opens it anew."""


class SgpServer(Sgp):
    """SGP on PostgreSQL."""

    def __init__(self, session: JobConnection) -> None:
        self._session = session

    def read_password_hashes(self) -> list[tuple[int, str | None]]:
        """See the base."""
        return self._session.connection().execute(_SQL["read_password_hashes"]).fetchall()

    def read_revoked_tokens(self, since: str) -> list[tuple[str, str]]:
        """See the base."""
        given = {"since": since}
        return self._session.connection().execute(_SQL["read_revoked_tokens"], given).fetchall()

    def close(self) -> None:
        """See the base."""
        self._session.close()


class SgpFile(Sgp):
    """SGP's SQLite file, open for each question only."""

    seconds = 2.0
    """Nobody notifies of a new password: it is in a column that the feeder does not read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read_password_hashes(self) -> list[tuple[int, str | None]]:
        """See the base."""
        rows = self._read("user", ("id", "password_hash"))
        return [(key, _to_text(stored)) for key, stored in rows if isinstance(key, int)]

    def read_revoked_tokens(self, since: str) -> list[tuple[str, str]]:
        """See the base."""
        rows = ((_to_text(token), _to_text(end) or "") for token, end in self._read_tokens())
        return [(token, end) for token, end in rows if token and (end >= since or not _DATE.match(end))]

    def _read_tokens(self) -> list[tuple[object, object]]:
        return self._read("revoked_tokens", ("token", "expires_at"))

    def _read(self, table: str, columns: tuple[str, str]) -> list[tuple[object, object]]:
        with open_sgp_file(self._path) as conn:
            _require(conn, table, columns)
            query = f'SELECT "{columns[0]}", "{columns[1]}" FROM "{table}"'  # noqa: S608  # names of ours
            return conn.execute(query).fetchall()

    def close(self) -> None:
        """See the base: nothing is open."""


def _require(conn: sqlite3.Connection, table: str, columns: tuple[str, str]) -> None:
    """A name that is no column would be taken for a text."""
    there = {name.lower() for name in read_columns(conn, table)}
    missing = (
        [f"column {table}.{name}" for name in columns if name not in there] if there else [f"table {table}"]
    )
    if missing:
        raise MissingInFileError(
            f"SGP's file has no {missing[0]}", "if SGP has renamed it, rename it back: people log in by it"
        )


def _to_text(value: object) -> str | None:
    """Read what is kept as text; SGP never keeps a password or a token as a number."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else None
