"""Session tokens: what SGP's look like, and what must never pass for one."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from vps_readapi.auth.tokens import MAX_TOKEN_CHARS, Claims, TokenError, Tokens

pytestmark = pytest.mark.unit

KEY = b"k" * 32
SOON = int(time.time()) + 3600
GOOD = {"sub": "admin", "user_id": 1, "exp": SOON}
HEADER = {"alg": "HS256", "typ": "JWT"}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(KEY, timedelta(days=8))


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forge(
    payload: object = GOOD, *, header: object = HEADER, key: bytes = KEY, digest: str = "sha256"
) -> str:
    """Sign whatever is given, valid or not."""
    raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(map(encode, raw))
    return f"{signed}.{encode(hmac.digest(key, signed.encode(), digest))}"


def without_signature(alg: str) -> str:
    return forge(header={"alg": alg, "typ": "JWT"}).rpartition(".")[0] + "."


def test_issued_token_has_exactly_the_three_claims(tokens: Tokens) -> None:
    token = tokens.issue(Claims(user_id=7, username="Zé"))
    payload: dict[str, Any] = jwt.decode(token, KEY, algorithms=["HS256"])
    assert set(payload) == {"sub", "user_id", "exp"}
    assert (payload["sub"], payload["user_id"]) == ("Zé", 7)
    assert payload["exp"] == pytest.approx(time.time() + 8 * 86400, abs=5)
    assert tokens.verify(token) == Claims(user_id=7, username="Zé")


def test_a_token_made_elsewhere_with_the_key_is_good(tokens: Tokens) -> None:
    assert tokens.verify(forge()) == Claims(user_id=1, username="admin")


def test_the_longest_name_has_a_token_that_passes(tokens: Tokens) -> None:
    claims = Claims(user_id=2**31 - 1, username="\N{PEACH}" * 200)
    assert tokens.verify(tokens.issue(claims)) == claims


ATTACKS = {
    "empty": "",
    "no dots": "x",
    "only dots": "..",
    "not base64": "é.é.é",
    "alg none": without_signature("none"),
    "alg None": without_signature("None"),
    "alg none, signed": forge(header={"alg": "none"}),
    "alg hs512": forge(header={"alg": "HS512"}, digest="sha512"),
    "alg rs256": forge(header={"alg": "RS256"}),
    "alg lower case": forge(header={"alg": "hs256"}),
    "alg missing": forge(header={"typ": "JWT"}),
    "alg a list": forge(header={"alg": ["HS256"]}),
    "critical header": forge(header={"alg": "HS256", "crit": ["x"], "x": 1}),
    "detached payload": forge(b"", header={"alg": "HS256", "b64": False, "crit": ["b64"]}),
    "header no object": forge(header=[1]),
    "header nested deep": forge(header=b"[" * 2500),
    "payload nested deep": forge(b"[" * 2500),
    "payload no json": forge(b"{"),
    "payload no object": forge([1]),
    "other key": forge(key=b"x" * 32),
    "empty key": forge(key=b""),
    "signature cut": forge()[:-1],
    "signature gone": without_signature("HS256"),
    "payload changed": forge().replace(encode(json.dumps(GOOD).encode()), encode(b'{"user_id":2}')),
    "expired": forge(GOOD | {"exp": int(time.time()) - 1}),
    "exp missing": forge({"sub": "admin", "user_id": 1}),
    "exp null": forge(GOOD | {"exp": None}),
    "exp text": forge(GOOD | {"exp": "soon"}),
    "exp infinite": forge(json.dumps(GOOD).replace(str(SOON), "1e999").encode()),
    "exp nan": forge(GOOD | {"exp": float("nan")}),
    "sub missing": forge({"user_id": 1, "exp": SOON}),
    "sub a number": forge(GOOD | {"sub": 1}),
    "user_id missing": forge({"sub": "admin", "exp": SOON}),
    "user_id null": forge(GOOD | {"user_id": None}),
    "user_id text": forge(GOOD | {"user_id": "1"}),
    "user_id bool": forge(GOOD | {"user_id": True}),
    "user_id float": forge(GOOD | {"user_id": 1.0}),
    "user_id a list": forge(GOOD | {"user_id": [1]}),
    "user_id negative": forge(GOOD | {"user_id": -1}),
    "user_id beyond the column": forge(GOOD | {"user_id": 2**31}),
    "not yet": forge(GOOD | {"nbf": SOON}),
    "for another audience": forge(GOOD | {"aud": "other"}),
    "oversized": forge(GOOD | {"sub": "a" * MAX_TOKEN_CHARS}),
}


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS.keys())
def test_anything_else_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify(token)
