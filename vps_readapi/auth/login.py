"""Whether a name and a password belong to somebody; it takes as long when they don't."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from db.credentials import CredentialKeys, SealedPassword
from db.offline import OfflineTrust
from vps_readapi.auth.ledger import Ledger
from vps_readapi.auth.metrics import Refused, logins, logins_refused
from vps_readapi.auth.passwords import BusyError, PasswordPool
from vps_readapi.auth.tokens import Claims, Tokens
from vps_readapi.errors import ProblemError, UnauthorizedError
from vps_readapi.schemas import LoginJson, LoginRequest

OFFLINE_RETRY_S = 60
BUSY_RETRY_S = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """Who has the name, and what checks the password; the last four are None where the worker sent none."""

    id: int
    username: str
    is_admin: bool
    setor: str | None
    is_active: bool
    salt: str | None
    digest: bytes | None
    key_id: str | None = None
    mudou_em: datetime | None = None

    @property
    def credential_at(self) -> int:
        """Return when the password last changed, in microseconds; 0 if nobody saw it change."""
        return 0 if self.mudou_em is None else (self.mudou_em - _EPOCH) // timedelta(microseconds=1)


FindAccount = Callable[[str], Awaitable[Account | None]]


class Login:
    """Gives sessions to those who know their passwords."""

    def __init__(
        self, tokens: Tokens, *, keys: CredentialKeys, ledger: Ledger, pool: PasswordPool, find: FindAccount
    ) -> None:
        self._tokens = tokens
        self._keys = keys
        self._ledger = ledger
        self._pool = pool
        self._find = find

    async def open_session(
        self, asked: LoginRequest, *, host: str, cost: int, trust: OfflineTrust
    ) -> LoginJson:
        """Return a new session.

        host: where it comes from; cost: what bcrypt usually takes here. Raise ProblemError: 401 wrong,
        403 inactive, 429 too many at once or too often, 503 too long without word from the intranet.
        """
        if not trust.accepts_logins:
            raise _refuse(Refused.OFFLINE, 503, explain_offline(trust), OFFLINE_RETRY_S)
        try:
            with self._pool.hold_place():
                return await self._check(asked, host=host, cost=cost)
        except BusyError:
            detail = "Muitas tentativas de login; tente de novo em instantes"
            raise _refuse(Refused.BUSY, 429, detail, BUSY_RETRY_S) from None

    async def _check(self, asked: LoginRequest, *, host: str, cost: int) -> LoginJson:
        attempt = self._ledger.describe(asked.username, host)
        wait_s = ceil(await self._ledger.take(attempt))
        if wait_s:
            raise _refuse(Refused.THROTTLED, 429, explain_wait(wait_s), wait_s)
        account = await self._find(asked.username)
        sealed, key = self._find_sealed(account)
        if not await self._pool.is_right(asked.password, sealed, key, cost=cost) or account is None:
            logins_refused.labels(Refused.WRONG).inc()
            raise UnauthorizedError("Usuário ou senha inválidos")
        await self._ledger.settle(attempt)
        if not account.is_active:
            raise _refuse(Refused.INACTIVE, 403, "Usuário inativo")
        logins.inc()
        return self._answer(account)

    def _find_sealed(self, account: Account | None) -> tuple[SealedPassword | None, bytes]:
        """Return what to check with, and the key; no password where there is none or its key is gone."""
        key = self._keys.by_id.get(account.key_id or "") if account else None
        if account is None or key is None or not account.salt or not account.digest:
            return None, self._keys.by_id[self._keys.current]
        return SealedPassword(salt=account.salt, digest=account.digest), key

    def _answer(self, account: Account) -> LoginJson:
        claims = Claims(user_id=account.id, username=account.username)
        return LoginJson(
            user_id=account.id,
            username=account.username,
            is_admin=account.is_admin,
            setor=account.setor or "geral",
            session_token=self._tokens.issue(claims, credential_at=account.credential_at),
        )


def explain_offline(trust: OfflineTrust) -> str:
    """Say in a sentence why nobody can log in."""
    hours = f"{trust.max_offline_s / 3600:g} h"
    since = "um tempo desconhecido" if trust.left_s is None else f"mais de {hours}"
    return (
        f"O servidor da loja está sem contato há {since}, e com mais de {hours} ninguém novo pode entrar;"
        " quem já entrou continua, e o login volta sozinho com a conexão"
    )


def explain_wait(seconds: int) -> str:
    """Say how long to wait."""
    wait = f"{seconds} s" if seconds < 60 else f"{ceil(seconds / 60)} min"  # noqa: PLR2004
    return f"Muitas tentativas de login; tente de novo em {wait}"


def _refuse(reason: Refused, status: int, detail: str, retry_s: int | None = None) -> ProblemError:
    logins_refused.labels(reason).inc()
    return ProblemError(status, detail, {"Retry-After": str(retry_s)} if retry_s else None)
