"""`/saude`: whether the process lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Response

from db.offline import measure_offline_trust
from vps_readapi.errors import DETAILS, PROBLEMS, RETRY_AFTER, ProblemError
from vps_readapi.schemas import LoginsJson, ProntaJson, StatusJson, VidaJson
from vps_readapi.services import Used

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


@router.get("/status")
async def read_status(response: Response, services: Used) -> StatusJson:
    """Say how old the data is, and whether that still lets people log in."""
    response.headers["Cache-Control"] = "no-store"
    await services.memory.feed.confirmed()  # else what was known last, grown older
    now = services.memory.clock.measure()
    trust = measure_offline_trust(now.age_seconds, max_offline_h=services.max_offline_h)
    logins = LoginsJson(aceita=trust.accepts_logins, limite_s=trust.max_offline_s, restam_s=trust.left_s)
    return StatusJson(estado=now.state, idade_s=now.age_seconds, logins=logins)
