"""Who is asking, by the `Authorization` header."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from vps_readapi.auth.tokens import Claims, TokenError, Verified
from vps_readapi.context import Services, Used
from vps_readapi.errors import DETAILS, RETRY_AFTER, ProblemError, UnauthorizedError

BEARER = HTTPBearer(auto_error=False)
"""Says in the description what `read_session` demands."""


async def read_session(request: Request, services: Used) -> Claims:
    """Return the user as the database knows him now.

    Raise UnauthorizedError unless the token is good and its user is still there and active, and
    ProblemError (503) while the database can't be asked.
    """
    verified = _read_claims(request, services)
    wait_s = services.limits.take(str(verified.claims.user_id))
    if wait_s:
        raise ProblemError(429, DETAILS[429], {"Retry-After": str(ceil(wait_s))})
    if not await services.memory.feed.confirmed():
        raise ProblemError(503, DETAILS[503], RETRY_AFTER)
    username = services.memory.find_user(verified.claims.user_id)
    if username is None:
        raise UnauthorizedError
    request.state.expires_at = verified.expires_at
    return Claims(user_id=verified.claims.user_id, username=username)


def _read_claims(request: Request, services: Services) -> Verified:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("Não autenticado; entre para continuar")
    try:
        return services.tokens.read(token.strip())
    except TokenError as error:
        raise UnauthorizedError from error


Session = Annotated[Claims, Depends(read_session)]
