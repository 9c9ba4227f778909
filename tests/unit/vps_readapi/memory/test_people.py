"""Whose session it is, and whether it goes on: to the second and the microsecond."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vps_readapi.auth.tokens import Claims, Verified
from vps_readapi.memory import people
from vps_readapi.memory.people import USUAL_COST, People, Person
from vps_readapi.pedidos.visibility import MONEY, NOTHING, VisibilityPolicy

NOW_S = 1_000
FOUND = {
    "usuarios": {"1": ["ana", False, "costura", 5_000_000], "2": ["bia", True, "costura", 0]},
    "revogados": ["aabb"],
    "custo": 10,
}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> People:
    monkeypatch.setattr(people, "time", SimpleNamespace(time=lambda: NOW_S))
    one = People(VisibilityPolicy.of(money=["vendas"], phone=["arte", "costura"]))
    assert one.cost == USUAL_COST
    one.replace(FOUND)
    return one


def token(user: int = 1, **changes: Any) -> Verified:
    usual: dict[str, Any] = {
        "expires_at": NOW_S + 1,
        "issued_at": 5,
        "credential_at": 5_000_000,
        "digest": b"x",
    }
    return Verified(claims=Claims(user, "name"), **(usual | changes))


def test_a_person_is_who_the_database_says(known: People) -> None:
    assert known.find(token()) == Person("ana", False, "costura", 5_000_000, MONEY)
    assert known.find(token(2, credential_at=0)) == Person("bia", True, "costura", 0, NOTHING)
    assert known.find(token(3)) is None


@pytest.mark.parametrize(("ends", "goes_on"), [(NOW_S - 1, False), (NOW_S, False), (NOW_S + 1, True)])
def test_a_session_ends_with_its_last_second(known: People, ends: int, goes_on: bool) -> None:
    assert (known.find(token(expires_at=ends)) is not None) is goes_on


def test_a_revoked_session_has_ended(known: People) -> None:
    assert known.find(token(digest=bytes.fromhex("aabb"))) is None


@pytest.mark.parametrize(
    ("credential_at", "goes_on"), [(5_000_000, True), (4_999_999, False), (5_000_001, False), (0, False)]
)
def test_a_session_lasts_until_the_password_is_another(
    known: People, credential_at: int, goes_on: bool
) -> None:
    assert (known.find(token(credential_at=credential_at)) is not None) is goes_on


@pytest.mark.parametrize(("issued_at", "goes_on"), [(4, False), (5, True), (6, True)])
def test_a_session_of_sgps_lasts_if_it_began_after_the_change(
    known: People, issued_at: int, goes_on: bool
) -> None:
    assert (known.find(token(credential_at=None, issued_at=issued_at)) is not None) is goes_on


def test_whose_change_is_not_known_to_have_been_keeps_sgps_sessions(known: People) -> None:
    assert known.find(token(2, credential_at=None, issued_at=0)) is not None
    known.replace({"usuarios": {"1": ["ana", False, "costura", 5_000_001]}})
    assert known.find(token(credential_at=None, issued_at=5)) is None, "a microsecond later"
    known.replace({"usuarios": {"1": ["ana", False, "costura", -1]}})
    assert known.find(token(credential_at=None)) is None


def test_the_cost_is_what_most_passwords_have(known: People) -> None:
    assert known.cost == 10
    for nothing in (None, {}, {"usuarios": None, "revogados": None, "custo": None}):
        known.replace(nothing)
        assert known.cost == USUAL_COST == 12
        assert known.find(token()) is None
    known.replace({"usuarios": FOUND["usuarios"]})
    assert known.find(token(digest=bytes.fromhex("aabb"))) is not None, "revoked once and for all"
