"""The push's way to the database: a body is one statement, and so one transaction."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.exc import DBAPIError

from db.logs import log_event
from db.outage import Outage
from db.reasons import explain
from db.sync import Counts, Position
from vps_readapi.database import DATABASE_ERRORS, Database, Rows
from vps_readapi.ingest.queries import find_wrong, read_position, take_body
from vps_readapi.ingest.refusals import Reason, RefusalError

TIMEOUT_S = 60.0
TRIES = 3
LOCKED = {"55P03", "40P01"}
"""Apply, or who heals, is writing: a push gives way."""
UNREADABLE = ("22", "23", "54")
"""The classes of what no column can hold."""
BECAME = {"taken", "staged", "had", "replayed"}
"""What is no refusal."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """What became of a body that was not refused."""

    became: str
    counts: Mapping[str, Counts]


class Store:
    """Gives bodies to the database."""

    def __init__(self, database: Database) -> None:
        """database: through the role `ponte_push`."""
        self._database = database
        self._outage = Outage()

    async def take(self, nonce: str | None, digest: bytes, body: dict[str, Any]) -> Taken:
        """Apply all of a body or nothing. Raise RefusalError, with the field where one is wrong.

        nonce: its request's id, None for one that is not signed.
        """
        for _ in range(TRIES):
            async with self._telling():
                try:
                    [row] = await self._fetch(take_body(nonce, digest, body))
                except DBAPIError as error:
                    state = _read_sqlstate(error)
                    if state.startswith(UNREADABLE):
                        raise await self._name_wrong(body) from error
                    if state not in LOCKED:
                        raise
                    continue
            return _read_taken(row.became, row.counted)
        raise RefusalError(Reason.BUSY)

    async def read_position(self) -> Position:
        """Return how far the newest source has come here."""
        async with self._telling():
            rows = await self._fetch(read_position())
        return Position(source=rows[0].source, position=rows[0].position) if rows else Position()

    async def _name_wrong(self, body: dict[str, Any]) -> RefusalError:
        found = await self._fetch(find_wrong(body))
        if not found:
            return RefusalError(Reason.INVALID)
        return WrongValueError(found[0].part, found[0].place, found[0].field)

    async def _fetch(self, statement: Select[Any]) -> Rows:
        return await self._database.fetch(statement, timeout_s=TIMEOUT_S)

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Refuse while the database is away, and say why at growing distance."""
        try:
            yield
        except DATABASE_ERRORS as error:
            told = explain(error, name="the VPS's database", source="PONTE_INGEST_DSN")
            if self._outage.fails((type(error).__name__, _read_sqlstate(error))):
                fields = {"fact": told.fact, "hint": told.hint, "failures": self._outage.failures}
                log_event(log, "database_lost", level=logging.WARNING, **fields)
            raise RefusalError(Reason.AWAY) from error
        lasted_s = self._outage.works()
        if lasted_s is not None:
            log_event(log, "database_back", after_s=round(lasted_s, 1))


class WrongValueError(RefusalError):
    """A value that its column can't hold.

    part: of which part, if it is one; place: its change's in there; field: None for the key of a deletion.
    """

    def __init__(self, part: int | None, place: int, field: str | None) -> None:
        super().__init__(Reason.INVALID)
        self.part = part
        self.place = place
        self.field = field


def _read_taken(became: str, counted: Mapping[str, Mapping[str, int]]) -> Taken:
    if became not in BECAME:
        raise RefusalError(Reason(became))
    return Taken(became, {name: Counts(**counts) for name, counts in counted.items()})


def _read_sqlstate(error: Exception) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""
