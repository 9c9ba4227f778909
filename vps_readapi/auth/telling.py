"""Tells the database how long people may log in without word, and by which keys: the watch shows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from db.logs import log_event
from db.outage import Outage
from vps_readapi.auth.queries import tell_key_marks, tell_offline_bound
from vps_readapi.database import Database, DatabaseTimeoutError
from vps_readapi.losses import Losses

AGAIN_S = 30.0
"""A database that is restored meanwhile has an older word, and the worker may get another key."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoginTerms:
    """What is told. marks: of the keys that this API opens passwords with; none of them is secret."""

    bound_s: float
    marks: Sequence[bytes]


@dataclass(frozen=True)
class KeyWord:
    """Says that the worker seals with a key that is not here: once, at growing distance, and when it is."""

    _outage: Outage = field(default_factory=Outage)

    def judge(self, fits: bool | None) -> None:
        """Note what the database said; None is that the worker has told nothing."""
        if fits is False and self._outage.fails("other_key"):
            log_event(
                log,
                "credential_key_differs",
                level=logging.ERROR,
                fact="the worker seals passwords with a key that is not here: every login is refused",
                hint="set PONTE_CREDENTIAL_KEY and PONTE_CREDENTIAL_KEY_ID alike on both ends; restart them",
            )
        if fits:
            lasted_s = self._outage.works()
            if lasted_s is not None:
                log_event(log, "credential_key_fits", after_s=round(lasted_s, 1))


async def keep_told(database: Database, terms: LoginTerms, losses: Losses) -> None:
    """Write it down again and again, until cancelled; without it everything else works."""
    word = KeyWord()
    while True:
        try:
            await database.fetch(tell_offline_bound(terms.bound_s))
            row = await database.fetch_first(tell_key_marks(terms.marks))
        except (SQLAlchemyError, DatabaseTimeoutError, OSError) as error:
            losses.lost(error)
        except Exception as error:  # noqa: BLE001  # who is told no more takes an old word for what is so
            losses.tripped(error)
        else:
            losses.back()
            word.judge(row.fits if row else None)
        await asyncio.sleep(AGAIN_S)
