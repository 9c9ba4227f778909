"""The live questions' parts: the breaker's states, what is kept, what is declared, what is asked as whom."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import jwt
import pytest

from db.errors import SettingsError
from vps_readapi.auth.tokens import Claims
from vps_readapi.errors import ProblemError
from vps_readapi.front.every_answer import LIVE
from vps_readapi.live import questions
from vps_readapi.live.access import LivePolicy, hide_money
from vps_readapi.live.asking import Asking
from vps_readapi.live.breaker import FAILURES, LONGEST_PAUSE_S, PAUSE_S, Breaker, BreakerState
from vps_readapi.live.identity import Identity
from vps_readapi.live.kept import KeptAnswers
from vps_readapi.live.questions import Group, LogsQuery, make_question
from vps_readapi.live.settings import LiveSettings
from vps_readapi.live.upstream import Upstream
from vps_readapi.memory.people import Person
from vps_readapi.pedidos.visibility import MONEY, NOTHING
from vps_readapi.settings import ApiSettings

pytestmark = pytest.mark.unit

KEY = "k" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_settings(**given: Any) -> LiveSettings:
    return LiveSettings(**given)


def make_person(setor: str, *, is_admin: bool = False) -> Person:
    return Person("ana", is_admin, setor, 0, NOTHING)


# ---------------------------------------------------------------- the breaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_it(breaker: Breaker) -> None:
    for _ in range(FAILURES):
        assert breaker.take()
        breaker.fail()


def test_some_failures_in_a_row_open_it(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.fail()
    breaker.succeed()
    for _ in range(FAILURES - 1):
        breaker.fail()
    assert (breaker.state, breaker.take()) == (BreakerState.CLOSED, True)
    breaker.fail()
    assert (breaker.state, breaker.take(), breaker.wait_s) == (BreakerState.OPEN, False, PAUSE_S)


def test_after_a_pause_one_is_on_trial_and_an_answer_closes_it(clock: Clock) -> None:
    breaker = Breaker(clock)
    open_it(breaker)
    clock.now += PAUSE_S
    assert [breaker.take(), breaker.take()] == [True, False]
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.wait_s > 0
    breaker.succeed()
    assert [breaker.take(), breaker.take()] == [True, True]


def test_each_trial_that_fails_doubles_the_pause_up_to_a_bound(clock: Clock) -> None:
    breaker = Breaker(clock)
    open_it(breaker)
    pauses = []
    for _ in range(6):
        pauses.append(breaker.wait_s)
        clock.now += breaker.wait_s
        assert breaker.take()
        breaker.fail()
    assert pauses == [2, 4, 8, 16, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    clock.now += LONGEST_PAUSE_S
    assert breaker.take()
    breaker.succeed()
    open_it(breaker)
    assert breaker.wait_s == PAUSE_S


def test_those_under_way_that_fail_while_it_is_open_do_not_lengthen_the_pause(clock: Clock) -> None:
    breaker = Breaker(clock)
    open_it(breaker)
    for _ in range(5):
        breaker.fail()
    assert breaker.wait_s == PAUSE_S


# ---------------------------------------------------------------- what is kept


def test_answers_are_kept_within_a_bound_the_longest_unused_go_first() -> None:
    kept = KeptAnswers(max_bytes=3000, max_age_s=60)
    for name in ("a", "b"):
        kept.keep(name, b"x" * 1000)
    assert kept.find("a") is not None
    kept.keep("c", b"x" * 1000)
    assert [name for name in "abc" if kept.find(name)] == ["a", "c"]
    kept.keep("d", b"x" * 3000)  # alone too large
    assert [name for name in "abcd" if kept.find(name)] == ["a", "c"]
    for _ in range(50):
        kept.keep("a", b"y" * 1000)
    assert [name for name in "ac" if kept.find(name)] == ["a", "c"]


def test_an_answer_is_as_old_as_the_clock_says_that_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptAnswers(max_bytes=3000, max_age_s=60)
    steady, wall = Clock(), Clock()
    monkeypatch.setattr("vps_readapi.live.kept.time.monotonic", steady)
    monkeypatch.setattr("vps_readapi.live.kept.time.time", wall)
    kept.keep("a", b"x")
    steady.now, wall.now = steady.now + 5, wall.now - 3600  # set back
    found = kept.find("a")
    assert found is not None
    assert found.age_s == 5
    wall.now += 3600 + 61  # asleep
    assert kept.find("a") is None


# ---------------------------------------------------------------- what is asked


def test_equal_questions_have_equal_addresses_and_nothing_undeclared_is_in_them() -> None:
    first = make_question(questions.PRINT_LOGS, LogsQuery.model_validate({"limit": "5", "evil": "&x=1"}))
    assert first.target == "/print-logs/?limit=5&offset=0"
    assert first == make_question(questions.PRINT_LOGS, LogsQuery(limit=5))
    assert make_question(questions.MATERIAL, material_id=7).target == "/materiais/7"


def test_sgp_is_asked_as_the_asker_or_as_a_service_or_as_nobody() -> None:
    claims = Claims(7, "ana")
    token = Identity(KEY.encode(), "service").write_token(claims)
    assert token is not None
    assert set(jwt.decode(token, KEY, algorithms=["HS256"])) == {"sub", "user_id", "exp"}
    assert Identity(None, "service").write_token(claims) == "service"
    assert Identity(None, None).write_token(claims) is None


def test_every_live_address_is_as_old_as_its_answer_says() -> None:
    assert set(LIVE) == {f"/{group}" for group in Group}


# ---------------------------------------------------------------- what is declared


def test_administrators_may_ask_whatever_is_offered() -> None:
    policy = LivePolicy.of(make_settings(live_questions="relatorios materiais", live_setores_materiais=""))
    admin, sewer = make_person("admin", is_admin=True), make_person("costura")
    allowed = {group: (policy.allows(group, admin), policy.allows(group, sewer)) for group in Group}
    assert allowed == {
        Group.MATERIAIS: (True, False),
        Group.MAQUINAS: (False, False),
        Group.PRINT_LOGS: (False, False),
        Group.RELATORIOS: (True, False),
    }
    with pytest.raises(ProblemError, match="não está disponível"):
        policy.need_access(Group.MAQUINAS, admin)
    with pytest.raises(ProblemError, match="não tem acesso"):
        policy.need_access(Group.MATERIAIS, sewer)


def test_a_report_shows_declared_fields_only_at_any_depth() -> None:
    policy = LivePolicy.of(make_settings(live_report_fields="total items valor_total", live_hide="total"))
    question = make_question(questions.RELATORIO, tipo="envios")
    report = {"total": 1, "x": 2, "items": [{"x": 1, "valor_total": 5, "items": {"x": 1, "total": 3}}]}
    assert policy.trim(question, report) == {"items": [{"valor_total": 5, "items": {}}]}


def test_amounts_go_by_how_their_names_begin() -> None:
    content = b'[{"valor_total":1,"valor_metro":2,"id":3,"items":[{"valor":4,"nome":"valor"}]}]'
    assert hide_money(content, NOTHING) == content
    assert hide_money(content, MONEY) == b'[{"id":3,"items":[{"nome":"valor"}]}]'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVE_URL", "http://intranet-sgp.internal/api"),
        ("LIVE_URL", "http://user:s3cr3t@intranet-sgp.internal"),
        ("LIVE_URL", "ftp://intranet-sgp.internal"),
        ("LIVE_URL", "http://a?b"),
        ("LIVE_URL", "http://a\r\nHost: b"),
        ("LIVE_QUESTIONS", "materiais usuarios"),
        ("LIVE_REPORTS", "../users"),
        ("LIVE_REPORTS", "a/b"),
        ("LIVE_REVEAL", "password_hash"),
        ("LIVE_HIDE", "id"),
        ("LIVE_SECONDS", "0"),
        ("LIVE_CONNECTIONS", "0"),
        ("LIVE_POLL_SECONDS", "0.01"),
    ],
)
def test_what_can_not_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for one in [one for one in os.environ if one.upper().startswith("PONTE_")]:
        monkeypatch.delenv(one)
    for one in ("API_DSN", "API_AUTH_DSN"):
        monkeypatch.setenv(f"PONTE_{one}", "host=127.0.0.1")
    for letter, one in zip("tcm", ("API_TOKEN_KEY", "CREDENTIAL_KEY", "API_MEDIA_KEY"), strict=True):
        monkeypatch.setenv(f"PONTE_{one}", letter * 32)
    monkeypatch.setenv("PONTE_API_PUBLIC_URL", "https://loja.example")
    assert ApiSettings.load().live_url == ""
    monkeypatch.setenv(f"PONTE_API_{name}", value)
    with pytest.raises(SettingsError, match=f"PONTE_API_{name}") as caught:
        ApiSettings.load()
    assert "s3cr3t" not in str(caught.value)


def test_an_address_is_a_host_with_or_without_a_port() -> None:
    for url in ("http://intranet-sgp.internal", "http://100.64.0.2:8000", "http://[fd7a:115c::1]:8000"):
        assert make_settings(live_url=url).live_url == url


# ---------------------------------------------------------------- the way


def test_a_connection_that_breaks_as_it_is_made_is_no_answer_and_no_mishap() -> None:
    """The client then trips over the socket that it describes."""

    async def trip(_: object) -> None:
        raise AttributeError

    async def ask() -> ProblemError:
        upstream = Upstream("http://sgp", connect_s=1, timeout_s=1, max_bytes=1, connections=1)
        upstream._transport.handle_async_request = trip  # type: ignore[assignment, method-assign]
        settings = make_settings()
        asking = Asking(
            upstream,
            KeptAnswers(max_bytes=1, max_age_s=1),
            policy=LivePolicy.of(settings),
            identity=Identity(None, None),
            timeout_s=60,
            connections=1,
        )
        with pytest.raises(ProblemError) as caught:
            await asking.ask(make_question(questions.MATERIAL, material_id=7), Claims(1, "ana"))
        await asking.close()
        return caught.value

    assert asyncio.run(ask()).status == 503
