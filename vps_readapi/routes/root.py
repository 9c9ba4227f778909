"""`GET /`: whether the API is there and how old its data is, for anybody."""

from __future__ import annotations

from fastapi import APIRouter, Response

from vps_readapi.pedidos.rendering import render_sincronizacao
from vps_readapi.schemas import RootJson
from vps_readapi.services import Used

router = APIRouter()


@router.get("/")
async def read_root(response: Response, services: Used) -> RootJson:
    """Answer always, whatever the database does, within the 5 s that phones wait.

    It is the same measurement that every answer's fields tell.
    """
    response.headers["Cache-Control"] = "no-store"
    await services.memory.feed.confirmed()
    arrival = services.memory.clock.arrival()
    return RootJson(
        version=services.version, sincronizacao=render_sincronizacao(arrival) if arrival else None
    )
