"""One job's connection to one database: opened at first use, and again after it broke."""

from __future__ import annotations

from threading import Event
from time import monotonic
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from db.engines import Connection, connect
from db.unreached import UnreachableError, explain_unreached

APPLICATION = "ponte-worker"
_STOP_CHECK_S = 0.5


class JobConnection:
    """A connection that comes back; each job has its own, so none waits for another."""

    def __init__(
        self, database: LiteralString, conninfo: SecretStr, *, on_open: LiteralString | None = None
    ) -> None:
        """database: its name in the log; on_open: a statement for each new connection."""
        self._database = database
        self._conninfo = conninfo
        self._on_open = on_open
        self._connection: Connection | None = None
        self._told: tuple[str, UnreachableError] | None = None

    def connection(self) -> Connection:
        """Return the open connection, in autocommit. Raise UnreachableError if none can be had."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
            if self._on_open is not None:
                self._connection.execute(self._on_open)
        return self._connection

    def close(self) -> None:
        """Let the connection go, whatever state it is in."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        try:
            return connect(self._conninfo.get_secret_value(), application=APPLICATION)
        except psycopg.OperationalError as error:
            raise self._explain(error) from error

    def _explain(self, error: psycopg.OperationalError) -> UnreachableError:
        """Find out why, unless the same was found out the last time."""
        if self._told is None or str(error) != self._told[0]:
            source = f"PONTE_WORKER_{self._database.upper()}_DSN"
            dsn = self._conninfo.get_secret_value()
            self._told = (str(error), explain_unreached(error, dsn, name=self._database, source=source))
        return self._told[1]


def wait_for_notice(connection: Connection, stop: Event, seconds: float) -> None:
    """Wait until a notification arrives, the time is over or `stop` is set."""
    deadline = monotonic() + seconds
    while not stop.is_set() and (left := deadline - monotonic()) > 0:
        if list(connection.notifies(timeout=min(left, _STOP_CHECK_S), stop_after=1)):
            return
