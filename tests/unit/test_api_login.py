"""Logging in: who gets a session, what each refusal says, and that all take bcrypt's time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import bcrypt
import pytest

from db import credentials
from db.credentials import SealedPassword, seal
from vps_readapi.auth import login as module
from vps_readapi.auth.login import NOBODY, Account, Login
from vps_readapi.auth.tokens import Claims, Tokens
from vps_readapi.errors import ProblemError
from vps_readapi.schemas import LoginJson

pytestmark = pytest.mark.unit

KEY = b"c" * 32
TOKENS = Tokens(b"t" * 32, timedelta(days=8))
SEALED = seal(bcrypt.hashpw(b"segredo", bcrypt.gensalt(4)).decode(), KEY)


KNOWN = Account(
    id=7,
    username="Zé",
    is_admin=False,
    setor=None,
    is_active=True,
    salt=SEALED.salt,
    digest=SEALED.digest,
)


def log_in(account: Account | None, given: str = "segredo") -> LoginJson:
    async def run() -> LoginJson:
        return await Login(TOKENS, credential_key=KEY, concurrency=1).open_session(account, given)

    return asyncio.run(run())


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Sequence[SealedPassword]:
    """Return what is checked, at a price that tests can pay."""
    seen: list[SealedPassword] = []

    def check(password: str, sealed: SealedPassword, key: bytes) -> bool:
        seen.append(sealed)
        return sealed is not NOBODY and credentials.check(password, sealed, key)

    monkeypatch.setattr(module, "check", check)
    return seen


def test_a_session_is_what_sgp_gives() -> None:
    session = log_in(KNOWN)
    assert session.model_dump(exclude={"session_token"}) == {
        "success": True,
        "user_id": 7,
        "username": "Zé",
        "is_admin": False,
        "setor": "geral",
        "message": "Login realizado com sucesso",
    }
    assert TOKENS.verify(session.session_token) == Claims(user_id=7, username="Zé")


def test_an_inactive_user_learns_it_only_with_the_password() -> None:
    with pytest.raises(ProblemError, match=r"^Usuário inativo$") as caught:
        log_in(replace(KNOWN, is_active=False))
    assert caught.value.status == 403
    with pytest.raises(ProblemError, match=r"^Usuário ou senha inválidos$"):
        log_in(replace(KNOWN, is_active=False), "errada")


@pytest.mark.parametrize(
    ("account", "checks_nobody"),
    [
        (KNOWN, False),
        (None, True),
        (replace(KNOWN, salt=None, digest=None), True),
        (replace(KNOWN, salt="", digest=b""), True),
        (replace(KNOWN, salt="$2b$zz$nonsense"), True),
    ],
)
def test_every_refusal_checks_a_password_and_says_the_same(
    checked: Sequence[SealedPassword], account: Account | None, checks_nobody: bool
) -> None:
    with pytest.raises(ProblemError, match=r"^Usuário ou senha inválidos$") as caught:
        log_in(account, "errada")
    assert caught.value.status == 401
    assert (checked[-1] is NOBODY) is checks_nobody


def test_nobody_has_sgps_cost_and_a_salt_that_bcrypt_reads() -> None:
    assert NOBODY.salt.startswith("$2b$12$")
    cheap = SealedPassword(NOBODY.salt.replace("$12$", "$04$"), NOBODY.digest)
    assert credentials.check("qualquer", cheap, KEY) is False


def test_too_many_at_once_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    with pytest.raises(ProblemError, match="Muitas tentativas") as caught:
        log_in(KNOWN)
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "5"})
