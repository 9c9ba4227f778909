"""`/auth`: logging in and out, as SGP does it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from db.offline import measure_offline_trust
from vps_readapi.auth.session import BEARER, Session
from vps_readapi.context import Used
from vps_readapi.errors import DETAILS, PROBLEMS, RETRY_AFTER, InvalidInputError, ProblemError
from vps_readapi.schemas import LoginJson, LoginRequest, LogoutJson, MeJson

MAX_BODY_BYTES = 16 * 1024

router = APIRouter(prefix="/auth")


LOGIN_BODY = {"required": True, "content": {"application/json": {"schema": LoginRequest.model_json_schema()}}}
"""The body is read by hand, so that its type and its size don't matter to FastAPI; here it is described."""


@router.post(
    "/login",
    responses={one: PROBLEMS[one] for one in (401, 403, 413, 422, 429, 503)},
    openapi_extra={"requestBody": LOGIN_BODY},
)
async def log_in(request: Request, response: Response, services: Used) -> LoginJson:
    """Give a session for a name and a password."""
    response.headers["Cache-Control"] = "no-store"
    asked = await _read_request(request)
    if not await services.memory.feed.confirmed():  # how old the data is would not be known
        raise ProblemError(503, DETAILS[503], RETRY_AFTER)
    return await services.login.open_session(
        asked,
        host=request.client.host if request.client else "",
        cost=services.memory.people.cost,
        trust=measure_offline_trust(
            services.memory.clock.measure().age_seconds, max_offline_h=services.max_offline_h
        ),
    )


@router.post("/logout", responses=PROBLEMS, dependencies=[Depends(BEARER)])
async def log_out(session: Session, services: Used) -> LogoutJson:
    """End the session whose token asks: nobody comes in with it any more."""
    await services.ledger.revoke(session.token)
    return LogoutJson()


@router.get("/me", responses=PROBLEMS, dependencies=[Depends(BEARER)])
async def read_me(session: Session) -> MeJson:
    """Say whose session it is."""
    return MeJson(user_id=session.user_id, username=session.username)


async def _read_request(request: Request) -> LoginRequest:
    """Read the body whatever it says it is, and no more of it than a login needs."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(413, DETAILS[413])
    try:
        return LoginRequest.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise InvalidInputError(["".join(map(str, one["loc"])) for one in details]) from None
