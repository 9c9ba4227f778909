"""Tells the database how long people may log in without word from the intranet: the watch shows it."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from vps_readapi.auth.queries import tell_offline_bound
from vps_readapi.database import Database, DatabaseTimeoutError
from vps_readapi.losses import Losses

AGAIN_S = 600.0
"""A database that is restored meanwhile has an older word."""
RETRY_S = 30.0


async def keep_told(database: Database, bound_s: float, losses: Losses) -> None:
    """Write it down again and again, until cancelled; without it everything else works."""
    while True:
        try:
            await database.fetch(tell_offline_bound(bound_s))
        except (SQLAlchemyError, DatabaseTimeoutError, OSError) as error:
            losses.lost(error)
            await asyncio.sleep(RETRY_S)
        else:
            losses.back()
            await asyncio.sleep(AGAIN_S)
