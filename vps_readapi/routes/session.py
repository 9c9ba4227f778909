"""Who is asking, by the `Authorization` header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from vps_readapi.auth.tokens import TokenError, Verified
from vps_readapi.auth.verifier import NoTokenError
from vps_readapi.errors import DETAILS, RETRY_AFTER, ProblemError, UnauthorizedError
from vps_readapi.front.once import is_confirmed
from vps_readapi.services import Services, Used

BEARER = HTTPBearer(auto_error=False)
"""Says in the description what `read_session` demands."""


@dataclass(frozen=True)
class Asker:
    """Somebody with a session, as the database knows him now."""

    user_id: int
    username: str
    setor: str
    is_admin: bool
    hidden: int
    """What he does not see, as bits of `visibility`."""
    token: Verified


async def read_session(request: Request, services: Used) -> Asker:
    """Return who asks.

    Raise UnauthorizedError unless the token is good, was not revoked, is of the user's present password
    and its user is still there and active; ProblemError: 503 while the database can't be asked, 429 if he
    asks too often.
    """
    token = _read_token(request, services)
    if not await is_confirmed(request.scope["state"], services.memory):
        raise ProblemError(503, DETAILS[503], RETRY_AFTER)
    person = services.memory.people.find(token)
    if person is None:
        raise UnauthorizedError
    services.limits.count(request.scope["state"], token.claims.user_id)  # whoever is not he can't use it up
    return Asker(
        user_id=token.claims.user_id,
        username=person.username,
        setor=person.setor,
        is_admin=person.is_admin,
        hidden=person.hidden,
        token=token,
    )


def _read_token(request: Request, services: Services) -> Verified:
    try:
        return services.verifier.verify(request.headers.get("authorization", "").encode("latin-1"))
    except NoTokenError as error:
        raise UnauthorizedError("Não autenticado; entre para continuar") from error
    except TokenError as error:
        raise UnauthorizedError from error


Session = Annotated[Asker, Depends(read_session)]
