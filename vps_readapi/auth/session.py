"""Who is asking, by the `Authorization` header."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from vps_readapi.auth.tokens import Claims, TokenError
from vps_readapi.context import Services, Used
from vps_readapi.errors import UnauthorizedError
from vps_readapi.queries import find_user


async def read_session(request: Request, services: Used) -> Claims:
    """Return the user as the database knows him now.

    Raise UnauthorizedError unless the token is good and its user is still there and active.
    """
    claims = _read_claims(request, services)
    user = await services.database.fetch_first(find_user(claims.user_id))
    if user is None or not user.is_active:
        raise UnauthorizedError
    return Claims(user_id=user.id, username=user.username)


def _read_claims(request: Request, services: Services) -> Claims:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("Não autenticado; entre para continuar")
    try:
        return services.tokens.verify(token.strip())
    except TokenError as error:
        raise UnauthorizedError from error


Session = Annotated[Claims, Depends(read_session)]
