"""`GET /`: whether the API is there and how old its data is, for anybody."""

from __future__ import annotations

from fastapi import APIRouter, Response

from vps_readapi.context import Used
from vps_readapi.database import Database
from vps_readapi.errors import DATABASE_ERRORS, log_database_error
from vps_readapi.queries import read_heartbeat
from vps_readapi.rendering import render_sincronizacao
from vps_readapi.schemas import RootJson, SincronizacaoJson

PATIENCE_S = 2.0
"""Phones give up after 5 s and say that the API is offline."""

router = APIRouter()


@router.get("/")
async def read_root(response: Response, services: Used) -> RootJson:
    """Answer always, whatever the database does."""
    response.headers["Cache-Control"] = "no-store"
    return RootJson(version=services.version, sincronizacao=await _read_sincronizacao(services.database))


async def _read_sincronizacao(database: Database) -> SincronizacaoJson | None:
    try:
        beat = await database.fetch_first(read_heartbeat(), timeout_s=PATIENCE_S)
    except DATABASE_ERRORS as error:
        log_database_error(error)
        return None
    if beat is None:
        return None
    return render_sincronizacao(beat_at=beat.beat_at, received_at=beat.received_at, now=beat.now)
