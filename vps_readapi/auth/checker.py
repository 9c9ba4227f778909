"""Whether a name and a password belong to somebody; it takes as long when they don't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil

from db.alchemy import async_engine
from db.credentials import CredentialKeys, SealedPassword
from vps_readapi.auth.attempts import Attempts
from vps_readapi.auth.checks import LoginAnswer, LoginQuestion, Refused, User
from vps_readapi.auth.passwords import PasswordPool
from vps_readapi.auth.queries import find_login
from vps_readapi.database import Database

POOL_SIZE = 2
"""Connections for each role: every statement takes a millisecond."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CheckerSettings:
    """What a checker is told; all but the number is secret."""

    dsn: str
    auth_dsn: str
    attempts_key: str
    current_key_id: str
    keys: dict[str, str]
    concurrency: int

    def __repr__(self) -> str:
        return f"CheckerSettings(concurrency={self.concurrency})"


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


class Checker:
    """Counts the attempt, finds the account, checks the password."""

    def __init__(
        self, *, keys: CredentialKeys, attempts: Attempts, pool: PasswordPool, find: FindAccount
    ) -> None:
        self._keys = keys
        self._attempts = attempts
        self._pool = pool
        self._find = find

    async def check(self, question: LoginQuestion) -> LoginAnswer:
        """Answer. Raise what the database raises."""
        attempt = self._attempts.describe(question.username, question.host, device=question.device)
        wait_s = ceil(await self._attempts.take(attempt))
        if wait_s:
            return LoginAnswer(refused=Refused.THROTTLED, wait_s=wait_s)
        account = await self._find(question.username)
        sealed, key = self._find_sealed(account)
        right = await self._pool.is_right(question.password, sealed, key, cost=question.cost)
        if not right or account is None:
            return LoginAnswer(refused=Refused.WRONG)
        await self._attempts.settle(attempt)
        if not account.is_active:
            return LoginAnswer(refused=Refused.INACTIVE)
        return LoginAnswer(
            User(account.id, account.username, account.is_admin, account.setor, account.credential_at)
        )

    def give_up(self) -> None:
        """Nothing: what is under way here ends with the process."""

    def _find_sealed(self, account: Account | None) -> tuple[SealedPassword | None, bytes]:
        """Return what to check with, and the key; no password where there is none or its key is gone."""
        key = self._keys.by_id.get(account.key_id or "") if account else None
        if account is None or key is None or not account.salt or not account.digest:
            return None, self._keys.by_id[self._keys.current]
        return SealedPassword(salt=account.salt, digest=account.digest), key


@asynccontextmanager
async def open_checker(settings: CheckerSettings) -> AsyncIterator[Checker]:
    """Build one with its own ways to the database and its own threads."""
    read = async_engine(settings.dsn, pool_size=POOL_SIZE, application="ponte-readapi-login")
    written = async_engine(settings.auth_dsn, pool_size=POOL_SIZE, application="ponte-readapi-auth")
    pool = PasswordPool(concurrency=settings.concurrency)
    keys = {name: key.encode() for name, key in settings.keys.items()}
    try:
        yield Checker(
            keys=CredentialKeys(settings.current_key_id, keys),
            attempts=Attempts(Database(written), key=settings.attempts_key.encode()),
            pool=pool,
            find=partial(find_account, Database(read)),
        )
    finally:
        pool.close()
        await asyncio.gather(read.dispose(), written.dispose())


async def find_account(database: Database, username: str) -> Account | None:
    """Return who has exactly this name."""
    if "\0" in username:  # PostgreSQL has no such text
        return None
    row = await database.fetch_first(find_login(username))
    return Account(**row._asdict()) if row else None
