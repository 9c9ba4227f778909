"""The push's way to the database: a body is one statement, and so one transaction."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from db.logs import log_event
from db.outage import Outage
from db.reasons import explain
from db.sqlfile import read_blocks
from db.sync import Counts, Position
from vps_readapi.database import DatabaseTimeoutError
from vps_readapi.ingest.refusals import Reason, RefusalError
from vps_readapi.ingest.session import Session

TIMEOUT_S = 60.0
TRIES = 3
LOCKED = {"55P03", "40P01"}
"""Apply, or who heals, is writing: a push gives way."""
UNREADABLE = ("22", "23", "54")
"""The classes of what no column can hold."""
BECAME = {"taken", "staged", "had", "replayed"}
"""What is no refusal."""

_SQL = read_blocks("vps_readapi", "ingest")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taken:
    """What became of a body that was not refused."""

    became: str
    counts: Mapping[str, Counts]


class Store:
    """Gives bodies to the database."""

    def __init__(self, dsn: str) -> None:
        """dsn: of the role `ponte_push`. A question does not wait for a body."""
        self._bodies, self._questions = Session(dsn), Session(dsn)
        self._outage = Outage()

    async def close(self) -> None:
        """Let go of the database."""
        await self._bodies.close()
        await self._questions.close()

    async def take(self, nonce: str | None, digest: bytes, body: dict[str, Any]) -> Taken:
        """Apply all of a body or nothing. Raise RefusalError, with the field where one is wrong.

        nonce: its request's id, None for one that is not signed.
        """
        for _ in range(TRIES):
            async with self._telling():
                try:
                    given = {"nonce": nonce, "digest": digest, "body": Jsonb(body)}
                    [(became, counted)] = await self._bodies.fetch(_SQL["take"], given, timeout_s=TIMEOUT_S)
                    if became in BECAME:  # also if it was taken earlier: nobody may have waited then
                        # Not by another connection: a server that came back may have lost what was taken.
                        await self._bodies.fetch(_SQL["keep"], timeout_s=TIMEOUT_S, again=False)
                except psycopg.Error as error:
                    state = error.sqlstate or ""
                    if state.startswith(UNREADABLE):
                        raise await self._name_wrong(body) from error
                    if state not in LOCKED:
                        raise
                    continue
            return _read_taken(became, counted)
        raise RefusalError(Reason.BUSY)

    async def read_position(self) -> Position:
        """Return how far the newest source has come here."""
        async with self._telling():
            rows = await self._questions.fetch(_SQL["position"], timeout_s=TIMEOUT_S)
        if not rows:
            return Position()
        source, position, versao = rows[0]
        return Position(source=source, position=position, versao=versao)

    async def _name_wrong(self, body: dict[str, Any]) -> RefusalError:
        found = await self._questions.fetch(_SQL["find_wrong"], {"body": Jsonb(body)}, timeout_s=TIMEOUT_S)
        if not found:
            return RefusalError(Reason.INVALID)
        return WrongValueError(*found[0])

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Refuse while the database is away, and say why at growing distance."""
        try:
            yield
        except (psycopg.Error, DatabaseTimeoutError) as error:
            told = explain(error, name="the VPS's database", source="PONTE_INGEST_DSN")
            if self._outage.fails((type(error).__name__, getattr(error, "sqlstate", None))):
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
