"""Whether a name and a password belong to somebody; it takes as long when they don't."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import anyio.to_thread

from db.credentials import SealedPassword, check
from vps_readapi.auth.tokens import Claims, Tokens
from vps_readapi.errors import ProblemError, UnauthorizedError
from vps_readapi.schemas import LoginJson

MAX_WAITING = 50
"""Logins that may queue for a core; at two cores and 0.2 s each, the last one waits 5 s."""

NOBODY = SealedPassword(salt="$2b$12$PonteNinguemPonteNingu", digest=bytes(32))
"""What no password opens, at SGP's cost: checked where there is nobody to check."""


@dataclass(frozen=True)
class Account:
    """Who has the name, and what checks the password; the last two are None where the worker sent none."""

    id: int
    username: str
    is_admin: bool
    setor: str | None
    is_active: bool
    salt: str | None
    digest: bytes | None


class Login:
    """Checks passwords, a few at a time."""

    def __init__(self, tokens: Tokens, *, credential_key: bytes, concurrency: int) -> None:
        self._tokens = tokens
        self._credential_key = credential_key
        self._limiter = anyio.CapacityLimiter(concurrency)

    async def open_session(self, account: Account | None, password: str) -> LoginJson:
        """Return a new session. Raise ProblemError: 401 wrong, 403 inactive, 429 too many at once."""
        if not await self._is_right(password, _sealed(account)) or account is None:
            raise UnauthorizedError("Usuário ou senha inválidos")
        if not account.is_active:
            raise ProblemError(403, "Usuário inativo")
        return LoginJson(
            user_id=account.id,
            username=account.username,
            is_admin=account.is_admin,
            setor=account.setor or "geral",
            session_token=self._tokens.issue(Claims(user_id=account.id, username=account.username)),
        )

    async def _is_right(self, password: str, sealed: SealedPassword | None) -> bool:
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            raise ProblemError(
                429, "Muitas tentativas de login; tente de novo em instantes", {"Retry-After": "5"}
            )
        return await anyio.to_thread.run_sync(
            _check, password, sealed, self._credential_key, limiter=self._limiter
        )


def _sealed(account: Account | None) -> SealedPassword | None:
    if account is None or not account.salt or not account.digest:
        return None
    return SealedPassword(salt=account.salt, digest=account.digest)


def _check(password: str, sealed: SealedPassword | None, key: bytes) -> bool:
    try:
        return check(password, sealed or NOBODY, key) and sealed is not None
    except ValueError:  # a salt that bcrypt can't read
        check(password, NOBODY, key)
        return False
