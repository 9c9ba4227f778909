"""Signed requests: which are believed, and only once."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest

from db.signing import NONCE, SIGNATURE, TIME, SignatureError, Verifier, sign_request

pytestmark = pytest.mark.unit

KEY = b"i" * 32
TARGET = "/miniaturas/7/a-640.webp"


def sign(method: str = "PUT", target: str = TARGET, body: bytes = b"webp") -> dict[str, str]:
    return sign_request(KEY, method, target, body)


def test_what_is_signed_is_believed_and_tells_the_bodys_digest() -> None:
    assert Verifier(KEY).verify("PUT", TARGET, sign()) == sha256(b"webp").hexdigest()


def test_each_signature_is_good_once() -> None:
    verifier = Verifier(KEY)
    fields = sign()
    verifier.verify("PUT", TARGET, fields)
    with pytest.raises(SignatureError, match="before"):
        verifier.verify("PUT", TARGET, fields)
    verifier.verify("PUT", TARGET, sign())


@pytest.mark.parametrize(
    ("method", "target"),
    [("DELETE", TARGET), ("PUT", TARGET + "x"), ("PUT", TARGET + "?a=1"), ("put", TARGET)],
)
def test_it_is_for_one_method_and_target(method: str, target: str) -> None:
    with pytest.raises(SignatureError):
        Verifier(KEY).verify(method, target, sign())


@pytest.mark.parametrize("name", list(sign()))
@pytest.mark.parametrize("value", [None, "", "0", "ção", "9" * 65])
def test_no_field_may_be_missing_or_another(name: str, value: str | None) -> None:
    fields = sign()
    if value is None:
        del fields[name]
    else:
        fields[name] = value
    with pytest.raises(SignatureError):
        Verifier(KEY).verify("PUT", TARGET, fields)


def test_another_key_is_not_believed() -> None:
    with pytest.raises(SignatureError):
        Verifier(b"j" * 32).verify("PUT", TARGET, sign())


@pytest.mark.parametrize("shift_s", [-301, 301])
def test_late_and_early_are_refused(monkeypatch: pytest.MonkeyPatch, shift_s: int) -> None:
    fields = sign()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + shift_s)
    with pytest.raises(SignatureError, match="late or early"):
        Verifier(KEY).verify("PUT", TARGET, fields)


def test_what_can_not_come_again_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(KEY)
    verifier.verify("PUT", TARGET, sign())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 700)
    verifier.verify("PUT", TARGET, sign())
    assert len(verifier._seen) == 1


def test_no_two_requests_share_a_number() -> None:
    one, other = sign(), sign()
    assert one[NONCE] != other[NONCE]
    assert one[SIGNATURE] != other[SIGNATURE]
    assert abs(int(one[TIME]) / 1000 - time.time()) < 60
