"""Gives sessions, and says why not in a sentence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from db.offline import OfflineTrust
from vps_readapi.auth.checks import Checks, ChecksAwayError, LoginQuestion, Refused, User
from vps_readapi.auth.metrics import logins, logins_refused
from vps_readapi.auth.tokens import Claims, Tokens
from vps_readapi.errors import ProblemError, UnauthorizedError
from vps_readapi.schemas import LoginJson, LoginRequest

MAX_WAITING = 50
"""Logins that may queue; at 0.2 s each the last one waits 10 s."""
OFFLINE_RETRY_S = 60
AWAY_RETRY_S = 5
BUSY_RETRY_S = (5, 15)
"""As long as the queue takes; not all at once, or they come back together."""


class Login:
    """Gives sessions to those who know their passwords."""

    def __init__(self, tokens: Tokens, checks: Checks, *, concurrency: int) -> None:
        self._tokens = tokens
        self._checks = checks
        self._most = concurrency + MAX_WAITING
        self._held = 0

    async def open_session(
        self, asked: LoginRequest, *, host: str, cost: int, trust: OfflineTrust, kept_token: str = ""
    ) -> LoginJson:
        """Return a new session.

        host: where it comes from; cost: what bcrypt usually takes here; kept_token: an earlier session's,
        which may have ended. Raise ProblemError: 401 wrong,
        403 inactive, 429 too many at once or too often, 503 too long without word from the intranet, or
        nobody can check.
        """
        if not trust.accepts_logins:
            raise _refuse(Refused.OFFLINE, 503, explain_offline(trust), OFFLINE_RETRY_S)
        with self.hold_place():
            try:
                device = self._tokens.recognize(kept_token, asked.username)
                question = LoginQuestion(asked.username, asked.password, host, cost, device)
                answer = await self._checks.check(question)
            except ChecksAwayError:
                detail = "O login não está disponível no momento; tente de novo em instantes"
                raise _refuse(Refused.AWAY, 503, detail, AWAY_RETRY_S) from None
        if answer.refused is Refused.THROTTLED:
            raise _refuse(Refused.THROTTLED, 429, explain_wait(answer.wait_s), answer.wait_s)
        if answer.refused is Refused.INACTIVE:
            raise _refuse(Refused.INACTIVE, 403, "Usuário inativo")
        if answer.user is None:
            logins_refused.labels(Refused.WRONG).inc()
            raise UnauthorizedError("Usuário ou senha inválidos")
        logins.inc()
        return self._answer(answer.user)

    def give_up(self) -> None:
        """Refuse whoever still waits, in time for the answer to be sent."""
        self._checks.give_up()

    def need_room(self) -> None:
        """Raise ProblemError (429) if the queue is full: before a body is read, which may take its time."""
        if self._held >= self._most:
            detail = "Muitas tentativas de login; tente de novo em instantes"
            raise _refuse(Refused.BUSY, 429, detail, random.randint(*BUSY_RETRY_S))  # noqa: S311  # jitter

    @contextmanager
    def hold_place(self) -> Iterator[None]:
        """Keep a place in the queue for the length of a block. Raise ProblemError (429) if there is none."""
        self.need_room()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def _answer(self, user: User) -> LoginJson:
        claims = Claims(user_id=user.id, username=user.username)
        return LoginJson(
            user_id=user.id,
            username=user.username,
            is_admin=user.is_admin,
            setor=user.setor or "geral",
            session_token=self._tokens.issue(claims, credential_at=user.credential_at),
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
