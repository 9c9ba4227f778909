"""Logging in: who gets a session, what each refusal says, and that all take bcrypt's time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import bcrypt
import pytest
from starlette.requests import Request

from db import credentials
from db.credentials import CredentialKeys, SealedPassword, seal
from db.offline import OfflineTrust, measure_offline_trust
from vps_readapi.addresses import find_network
from vps_readapi.auth import messages
from vps_readapi.auth import passwords as module
from vps_readapi.auth.attempts import Attempt, Attempts
from vps_readapi.auth.checker import Account, Checker
from vps_readapi.auth.checks import ChecksAwayError, LoginAnswer, LoginQuestion, Refused
from vps_readapi.auth.login import MAX_WAITING, Login
from vps_readapi.auth.metrics import logins_refused
from vps_readapi.auth.passwords import NOBODY, PasswordPool
from vps_readapi.auth.tokens import Claims, TokenKeys, Tokens
from vps_readapi.errors import InvalidInputError, ProblemError
from vps_readapi.routes.auth import _read_request
from vps_readapi.schemas import LoginJson, LoginRequest

pytestmark = pytest.mark.unit

KEY, OLD = b"c" * 32, b"o" * 32
KEYS = CredentialKeys("k2", {"k2": KEY, "k1": OLD})
TOKENS = Tokens(TokenKeys("t1", {"t1": b"t" * 32}), timedelta(days=8))
HASHED = bcrypt.hashpw(b"segredo", bcrypt.gensalt(4)).decode()
SEALED = seal(HASHED, KEY)
HEARD = measure_offline_trust(1.0, max_offline_h=72)

KNOWN = Account(
    id=7,
    username="Zé",
    is_admin=False,
    setor=None,
    is_active=True,
    salt=SEALED.salt,
    digest=SEALED.digest,
    key_id="k2",
)


@dataclass
class CountingAttempts:
    """Says how long to wait, and notes what was counted; the real one is tested on PostgreSQL."""

    wait_s: float = 0.0
    taken: list[Attempt] = field(default_factory=list)
    settled: list[Attempt] = field(default_factory=list)

    def describe(self, username: str, host: str, *, device: str = "") -> Attempt:
        return Attempt(username.encode() + device.encode(), host.encode())

    async def take(self, attempt: Attempt) -> float:
        self.taken.append(attempt)
        return self.wait_s

    async def settle(self, attempt: Attempt) -> None:
        self.settled.append(attempt)


@pytest.fixture
def pool() -> Iterator[PasswordPool]:
    one = PasswordPool(concurrency=1)
    yield one
    one.close()


@pytest.fixture
def attempts() -> CountingAttempts:
    return CountingAttempts()


@dataclass
class Relay:
    """Asks as the process of the logins is asked, through what is written and read."""

    checker: Checker

    async def check(self, question: LoginQuestion) -> LoginAnswer:
        number, read = messages.read_question(messages.write_question(3, question))
        reply = messages.read_reply(
            messages.write_reply(messages.Reply(number, await self.checker.check(read)))
        )
        assert (number, reply.number, reply.away) == (3, 3, False)
        assert reply.answer is not None
        return reply.answer

    def give_up(self) -> None:
        raise NotImplementedError


@dataclass
class Door:
    pool: PasswordPool
    attempts: CountingAttempts

    def log_in(
        self, account: Account | None, given: str = "segredo", *, trust: OfflineTrust = HEARD
    ) -> LoginJson:
        async def find(_: str) -> Account | None:
            return account

        async def run() -> LoginJson:
            checker = Checker(keys=KEYS, attempts=cast("Attempts", self.attempts), pool=self.pool, find=find)
            login = Login(TOKENS, Relay(checker), concurrency=1)
            asked = LoginRequest(username="Zé", password=given)
            return await login.open_session(asked, host="192.0.2.1", cost=4, trust=trust)

        return asyncio.run(run())


@pytest.fixture
def door(pool: PasswordPool, attempts: CountingAttempts) -> Door:
    return Door(pool, attempts)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Sequence[SealedPassword]:
    """Return what is checked."""
    seen: list[SealedPassword] = []

    def check(password: str, sealed: SealedPassword, key: bytes) -> bool:
        seen.append(sealed)
        return credentials.check(password, sealed, key)

    monkeypatch.setattr(module, "check", check)
    return seen


def test_a_session_is_what_sgp_gives(door: Door) -> None:
    session = door.log_in(KNOWN)
    assert session.model_dump(exclude={"session_token"}) == {
        "success": True,
        "user_id": 7,
        "username": "Zé",
        "is_admin": False,
        "setor": "geral",
        "message": "Login realizado com sucesso",
    }
    assert TOKENS.verify(session.session_token) == Claims(user_id=7, username="Zé")
    assert door.attempts.settled == door.attempts.taken


def test_a_session_names_the_password_that_opened_it(door: Door) -> None:
    changed = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
    token = TOKENS.read(door.log_in(replace(KNOWN, mudou_em=changed)).session_token)
    assert token.credential_at == int(changed.timestamp()) * 1_000_000 + 123456
    assert TOKENS.read(door.log_in(KNOWN).session_token).credential_at == 0


def test_what_the_former_key_sealed_opens_and_what_a_foreign_one_did_not(door: Door) -> None:
    former = replace(KNOWN, digest=seal(HASHED, OLD).digest, key_id="k1")
    assert door.log_in(former).user_id == 7
    for key_id in ("k9", "k2", "", None):
        with pytest.raises(ProblemError, match="inválidos"):
            door.log_in(replace(former, key_id=key_id))


def test_an_inactive_user_learns_it_only_with_the_password(door: Door) -> None:
    with pytest.raises(ProblemError, match=r"^Usuário inativo$") as caught:
        door.log_in(replace(KNOWN, is_active=False))
    assert caught.value.status == 403
    with pytest.raises(ProblemError, match=r"^Usuário ou senha inválidos$"):
        door.log_in(replace(KNOWN, is_active=False), "errada")


@pytest.mark.parametrize(
    ("account", "checks_nobody"),
    [
        (KNOWN, False),
        (None, True),
        (replace(KNOWN, salt=None, digest=None), True),
        (replace(KNOWN, salt="", digest=b""), True),
        (replace(KNOWN, key_id="gone"), True),
        (replace(KNOWN, salt="$2b$zz$nonsense"), True),
    ],
)
def test_every_refusal_checks_a_password_and_says_the_same(
    door: Door, checked: Sequence[SealedPassword], account: Account | None, checks_nobody: bool
) -> None:
    with pytest.raises(ProblemError, match=r"^Usuário ou senha inválidos$") as caught:
        door.log_in(account, "errada")
    assert caught.value.status == 401
    assert (checked[-1].digest == NOBODY.digest) is checks_nobody
    assert checked[-1].salt.startswith("$2b$04$"), "not at the usual cost"
    assert (len(door.attempts.taken), door.attempts.settled) == (1, [])


@pytest.mark.parametrize("given", ["x" * 73, "ã" * 37, "a\0b", ""])
def test_a_password_that_bcrypt_would_cut_is_none(door: Door, given: str) -> None:
    with pytest.raises(ProblemError, match="inválidos"):
        door.log_in(KNOWN, given)


def test_72_bytes_are_a_password(door: Door) -> None:
    given = "ã" * 36
    sealed = seal(bcrypt.hashpw(given.encode(), bcrypt.gensalt(4)).decode(), KEY)
    assert door.log_in(replace(KNOWN, salt=sealed.salt, digest=sealed.digest), given).user_id == 7


def test_nobody_has_sgps_cost_and_a_salt_that_bcrypt_reads() -> None:
    assert NOBODY.salt.startswith("$2b$12$")
    cheap = SealedPassword(credentials.with_cost(NOBODY.salt, 4), NOBODY.digest)
    assert credentials.check("qualquer", cheap, KEY) is False


class Away:
    async def check(self, question: LoginQuestion) -> LoginAnswer:
        raise ChecksAwayError(question.username)

    def give_up(self) -> None:
        raise NotImplementedError


def test_too_many_at_once_are_sent_away_and_not_told_to_come_back_together() -> None:
    login = Login(TOKENS, Away(), concurrency=2)
    waits = set()
    with ExitStack() as places:
        for _ in range(MAX_WAITING + 2):
            places.enter_context(login.hold_place())
        for _ in range(50):
            with pytest.raises(ProblemError, match="Muitas tentativas") as caught, login.hold_place():
                pass
            assert (caught.value.status, caught.value.headers is not None) == (429, True)
            waits.add(int((caught.value.headers or {})["Retry-After"]))
    assert len(waits) > 3
    assert 5 <= min(waits) <= max(waits) <= 15
    with login.hold_place():
        pass


def test_while_nobody_can_check_the_sentence_says_so() -> None:
    login = Login(TOKENS, Away(), concurrency=1)
    asked = LoginRequest(username="Zé", password="segredo")
    with pytest.raises(ProblemError, match="não está disponível") as caught:
        asyncio.run(login.open_session(asked, host="", cost=4, trust=HEARD))
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})


@pytest.mark.parametrize(("wait_s", "said"), [(0.2, "1 s"), (59.0, "59 s"), (61.0, "2 min")])
def test_who_tries_too_often_is_told_how_long_to_wait(
    door: Door, checked: Sequence[SealedPassword], wait_s: float, said: str
) -> None:
    door.attempts.wait_s = wait_s
    with pytest.raises(ProblemError, match=f"tente de novo em {said}$") as caught:
        door.log_in(KNOWN)
    assert caught.value.status == 429
    assert caught.value.headers is not None
    assert int(caught.value.headers["Retry-After"]) >= wait_s
    assert checked == []


@pytest.mark.parametrize(
    ("age_s", "said"), [(None, "há um tempo desconhecido"), (72 * 3600 + 1, "há mais de 72 h")]
)
def test_without_word_from_the_intranet_nobody_logs_in(door: Door, age_s: float | None, said: str) -> None:
    counter = logins_refused.labels(Refused.OFFLINE)
    before = counter._value.get()
    with pytest.raises(ProblemError, match=said) as caught:
        door.log_in(KNOWN, trust=measure_offline_trust(age_s, max_offline_h=72))
    assert caught.value.status == 503
    assert counter._value.get() == before + 1
    assert door.attempts.taken == []


@pytest.mark.parametrize(
    ("age_s", "accepts", "left_s"),
    [(0, True, 3600), (3600, True, 0), (3601, False, 0), (float("nan"), False, 0), (None, False, None)],
)
def test_the_bound_is_exact_and_an_unknown_age_is_beyond_it(
    age_s: float | None, accepts: bool, left_s: float | None
) -> None:
    trust = measure_offline_trust(age_s, max_offline_h=1)
    assert (trust.accepts_logins, trust.max_offline_s, trust.left_s) == (accepts, 3600, left_s)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("x' OR 1=1", "x' OR 1=1"),
    ],
)
def test_an_address_is_counted_as_its_network(host: str, network: str) -> None:
    assert find_network(host) == network


def test_half_a_login_whose_sender_is_gone_is_none() -> None:
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"username":"ana","password":"x"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    with pytest.raises(InvalidInputError):
        asyncio.run(_read_request(Request({"type": "http"}, receive)))
