"""`/saude`: whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Response

from vps_readapi.context import Used
from vps_readapi.errors import DETAILS, PROBLEMS, RETRY_AFTER, ProblemError
from vps_readapi.schemas import ProntaJson, VidaJson

router = APIRouter(prefix="/saude")


@router.get("/viva")
async def read_liveness(response: Response) -> VidaJson:
    """Answer while the process answers anything."""
    response.headers["Cache-Control"] = "no-store"
    return VidaJson()


@router.get("/pronta", responses={503: PROBLEMS[503]})
async def read_readiness(response: Response, services: Used) -> ProntaJson:
    """Answer 200 while the database confirms what is in memory; else 503."""
    response.headers["Cache-Control"] = "no-store"
    if not await services.memory.feed.confirmed():
        raise ProblemError(503, DETAILS[503], RETRY_AFTER)
    return ProntaJson()
