"""`/auth`: logging in and out, as SGP does it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from db.offline import measure_offline_trust
from vps_readapi.errors import DETAILS, PROBLEMS, RETRY_AFTER, InvalidInputError, ProblemError
from vps_readapi.front.once import is_confirmed
from vps_readapi.routes.session import BEARER, Session
from vps_readapi.schemas import LoginJson, LoginRequest, LogoutJson, MeJson
from vps_readapi.services import Used, get_services

MAX_BODY_BYTES = 16 * 1024

router = APIRouter(prefix="/auth")


LOGIN_BODY = {"required": True, "content": {"application/json": {"schema": LoginRequest.model_json_schema()}}}
"""The body is read by hand, so that its type and its size don't matter to FastAPI; here it is described."""


class ShortRoute(APIRoute):
    """A route that FastAPI describes, and whose function answers without it: reads wait for that help."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function itself, which takes the request and gives a response."""
        return self.endpoint


async def log_in(request: Request) -> Response:
    """Give a session for a name and a password."""
    services = await get_services(request)
    services.login.need_room()
    asked = await _read_request(request)
    if not await is_confirmed(request.scope["state"], services.memory):  # else nobody knows the data's age
        raise ProblemError(503, DETAILS[503], RETRY_AFTER)
    session = await services.login.open_session(
        asked,
        host=services.proxies.find_client(request.scope),
        kept_token=request.headers.get("authorization", "").partition(" ")[2].strip(),
        cost=services.memory.people.cost,
        trust=measure_offline_trust(
            services.memory.clock.measure().age_seconds, max_offline_h=services.max_offline_h
        ),
    )
    content = session.model_dump_json()
    return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


router.add_api_route(
    "/login",
    log_in,
    methods=["POST"],
    response_model=LoginJson,
    responses={one: PROBLEMS[one] for one in (401, 403, 413, 422, 429, 503)},
    openapi_extra={"requestBody": LOGIN_BODY},
    route_class_override=ShortRoute,
)


@router.post("/logout", responses=PROBLEMS, dependencies=[Depends(BEARER)])
async def log_out(session: Session, services: Used) -> LogoutJson:
    """End the session whose token asks: nobody comes in with it any more."""
    await services.revocations.add(session.token)
    return LogoutJson()


@router.get("/me", responses=PROBLEMS, dependencies=[Depends(BEARER)])
async def read_me(session: Session) -> MeJson:
    """Say whose session it is."""
    return MeJson(user_id=session.user_id, username=session.username)


async def _read_request(request: Request) -> LoginRequest:
    """Read the body whatever it says it is, and no more of it than a login needs."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise ProblemError(413, DETAILS[413])
    except ClientDisconnect:
        raise InvalidInputError([]) from None  # half a login; nobody is there to hear it
    try:
        return LoginRequest.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise InvalidInputError(["".join(map(str, one["loc"])) for one in details]) from None
