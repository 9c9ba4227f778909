"""Who sees what: what is hidden from whom, and that it is gone from the bytes."""

from __future__ import annotations

import json

import pytest

from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.memory.bodies import Body
from vps_readapi.memory.people import USUAL_COST, People
from vps_readapi.pedidos.visibility import MONEY, NOTHING, PHONE, VisibilityPolicy, hide

pytestmark = pytest.mark.unit

PEDIDO = {
    "id": 7,
    "cliente": "Agência Ção",
    "telefone_cliente": "27 99999-0000",
    "valor_total": "1617.56",
    "valor_frete": "17.00",
    "valor_itens": "1600.56",
}
CONTENT = json.dumps(PEDIDO, ensure_ascii=False, separators=(",", ":")).encode()
STRICT = VisibilityPolicy.of(money=["financeiro", "vendas"], phone=["vendas"])


@pytest.mark.parametrize(
    ("setor", "is_admin", "hidden"),
    [
        ("vendas", False, NOTHING),
        ("financeiro", False, PHONE),
        ("costura", False, MONEY | PHONE),
        ("", False, MONEY | PHONE),
        ("costura", True, NOTHING),
    ],
)
def test_the_setor_decides_and_an_administrator_sees_all(setor: str, is_admin: bool, hidden: int) -> None:
    assert STRICT.find_hidden(setor, is_admin=is_admin) == hidden
    assert VisibilityPolicy.of().find_hidden(setor, is_admin=is_admin) == NOTHING


def test_an_answer_has_as_few_forms_as_the_policy_needs() -> None:
    assert [VisibilityPolicy.of().forms, VisibilityPolicy.of(money=[]).forms, STRICT.forms] == [1, 2, 4]


def test_what_is_hidden_is_gone_and_the_rest_is_as_it_was() -> None:
    assert hide(CONTENT, NOTHING) is CONTENT
    without = json.loads(hide(CONTENT, MONEY))
    assert without == PEDIDO | {"valor_total": "0.00", "valor_frete": None, "valor_itens": None}
    assert hide(CONTENT, MONEY).startswith('{"id":7,"cliente":"Agência Ção",'.encode()), "as it was written"
    both = hide(CONTENT, MONEY | PHONE)
    assert b"1617" not in both
    assert b"99999" not in both
    assert "Agência Ção".encode() in both


def test_each_form_of_a_body_is_made_once_and_has_its_own_tag() -> None:
    body = Body(CONTENT, key=(1,))
    assert body.view(NOTHING) is body
    assert body.view(MONEY) is body.view(MONEY)
    assert body.view(MONEY).key == body.key
    assert len({body.etag, body.view(MONEY).etag, body.view(PHONE).etag, body.view(MONEY | PHONE).etag}) == 4


FAR_AWAY = 2**40
"""A time of expiry that comes in no test: sessions are made when the tests are collected."""


def session(*, user_id: int = 7, credential_at: int | None = 0, issued_at: int = 100) -> Verified:
    return Verified(Claims(user_id, "ana"), FAR_AWAY, issued_at, credential_at, b"d" * 32)


def found(credential_at: int = 0, revoked: bytes = b"x" * 32, setor: str = "costura") -> People:
    people = People(STRICT)
    users = {"7": ["ana", False, setor, credential_at]}
    people.replace({"usuarios": users, "revogados": [revoked.hex()], "custo": "04"})
    return people


def test_a_session_goes_on_until_something_ends_it() -> None:
    person = found().find(session())
    assert person is not None
    assert (person.username, person.setor, person.hidden) == ("ana", "costura", MONEY | PHONE)
    assert found().cost == 4
    assert found(revoked=b"d" * 32).find(session()) is None
    assert found().find(session(user_id=8)) is None
    assert People(STRICT).find(session()) is None


@pytest.mark.parametrize(
    ("changed", "token", "goes_on"),
    [
        (5_000_000, session(credential_at=5_000_000), True),
        (5_000_000, session(credential_at=0), False),
        (5_000_000, session(credential_at=4_999_999), False),
        (0, session(credential_at=5_000_000), False),
        (99_500_000, session(credential_at=None, issued_at=100), True),
        (100_500_000, session(credential_at=None, issued_at=100), False),
        (0, session(credential_at=None, issued_at=100), True),
        (-1, session(credential_at=None, issued_at=100), False),
    ],
)
def test_a_session_ends_with_the_password_that_opened_it(
    changed: int, token: Verified, goes_on: bool
) -> None:
    assert (found(changed).find(token) is not None) is goes_on


def test_nobody_is_left_when_everything_is_forgotten() -> None:
    people = found()
    people.replace(None)
    assert people.find(session()) is None
    assert people.cost == USUAL_COST
