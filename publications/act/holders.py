"""Names who stands in the way: prepared transactions, and sessions that hold what is needed."""

from __future__ import annotations

from typing import NamedTuple

from db.engines import Connection
from db.sqlfile import read_blocks

_SQL = read_blocks("publications", "holders")
PREPARED = "prepared"


class Holder(NamedTuple):
    """An open transaction."""

    kind: str
    """Whether it is prepared, or else what its session does."""
    named: str
    """By its own name, or its session's pid."""
    whose: str
    database: str
    age_s: int

    def __str__(self) -> str:
        if self.kind == PREPARED:
            what = f"the prepared transaction '{self.named}'"
        else:
            what = f"process {self.named} ({self.kind})"
        return f"{what} of {self.whose} in {self.database}, for {self.age_s} s"

    @property
    def remedy(self) -> str:
        """Return the statement that lets it go."""
        if self.kind == PREPARED:
            return f"COMMIT PREPARED '{self.named}' or ROLLBACK PREPARED '{self.named}' in {self.database}"
        return f"SELECT pg_terminate_backend({self.named})"


def find_holders(conn: Connection, *, writers: bool) -> list[Holder]:
    """Return those that are open for some seconds, the oldest first.

    writers: what a slot waits for as it is made; else who may hold a lock in this database.
    """
    return [Holder(*row) for row in conn.execute(_SQL["holders"], {"writers": writers})]
