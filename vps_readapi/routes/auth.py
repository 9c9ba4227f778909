"""`/auth`: logging in, as SGP does it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from vps_readapi.auth.login import Account
from vps_readapi.auth.session import BEARER, Session
from vps_readapi.context import Used
from vps_readapi.database import Database
from vps_readapi.errors import DETAILS, PROBLEMS, InvalidInputError, ProblemError
from vps_readapi.queries import find_login
from vps_readapi.schemas import LoginJson, LoginRequest, MeJson

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
    account = await _find_account(services.database, asked.username)
    return await services.login.open_session(account, asked.password)


@router.get("/me", responses=PROBLEMS, dependencies=[Depends(BEARER)])
async def read_me(session: Session) -> MeJson:
    """Say whose session it is."""
    return MeJson(user_id=session.user_id, username=session.username)


async def _find_account(database: Database, username: str) -> Account | None:
    if "\0" in username:  # PostgreSQL has no such text
        return None
    row = await database.fetch_first(find_login(username))
    return Account(**row._asdict()) if row else None


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
