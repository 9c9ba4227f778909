"""Session tokens: what ours and SGP's look like, and what must never pass for one."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from vps_readapi.auth.tokens import (
    MAX_SKEW_S,
    MAX_TOKEN_CHARS,
    SGP_LIFE_S,
    Claims,
    TokenError,
    TokenKeys,
    Tokens,
)

pytestmark = pytest.mark.unit

KEY, OLD, SGP = b"k" * 32, b"o" * 32, b"g" * 32
NOW = int(time.time())
LONG_S = 1800
"""No run of tests takes so long between the collection of these and their use."""
SOON = NOW + 2 * LONG_S
GOOD = {"sub": "admin", "user_id": 1, "exp": SOON, "iat": NOW, "jti": "x", "cred": 0}
SGPS = {"sub": "admin", "user_id": 1, "exp": SOON}
HEADER = {"alg": "HS256", "typ": "JWT", "kid": "t2"}
SGP_HEADER = {"alg": "HS256", "typ": "JWT"}
LIFE = timedelta(days=8)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(TokenKeys("t2", {"t2": KEY, "t1": OLD}, sgp=SGP), LIFE)


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
    return forge(header=HEADER | {"alg": alg}).rpartition(".")[0] + "."


def test_an_issued_token_says_which_key_password_and_time(tokens: Tokens) -> None:
    token = tokens.issue(Claims(user_id=7, username="Zé"), credential_at=1234567)
    payload: dict[str, Any] = jwt.decode(token, KEY, algorithms=["HS256"])
    assert set(payload) == {"sub", "user_id", "exp", "iat", "jti", "cred"}
    assert (payload["sub"], payload["user_id"], payload["cred"]) == ("Zé", 7, 1234567)
    assert payload["exp"] - payload["iat"] == LIFE.total_seconds()
    assert jwt.get_unverified_header(token)["kid"] == "t2"
    read = tokens.read(token)
    assert (read.claims, read.credential_at) == (Claims(user_id=7, username="Zé"), 1234567)
    assert tokens.issue(Claims(7, "Zé")) != tokens.issue(Claims(7, "Zé"))


def test_sgps_token_is_good_with_its_secret_and_only_then(tokens: Tokens) -> None:
    token = forge(SGPS, header=SGP_HEADER, key=SGP)
    read = tokens.read(token)
    assert (read.claims, read.credential_at) == (Claims(user_id=1, username="admin"), None)
    assert read.issued_at == SOON - SGP_LIFE_S
    with pytest.raises(TokenError):
        Tokens(TokenKeys("t2", {"t2": KEY}), LIFE).read(token)


def test_a_key_is_changed_with_overlap(tokens: Tokens) -> None:
    before = Tokens(TokenKeys("t1", {"t1": OLD}), LIFE)
    claims = Claims(user_id=7, username="Zé")
    assert tokens.verify(before.issue(claims)) == claims
    with pytest.raises(TokenError):
        before.verify(tokens.issue(claims))
    with pytest.raises(TokenError):
        Tokens(TokenKeys("t2", {"t2": KEY}), LIFE).verify(before.issue(claims))


def test_the_small_difference_of_two_clocks_is_forgiven(tokens: Tokens) -> None:
    assert tokens.verify(forge(GOOD | {"iat": NOW + MAX_SKEW_S // 2})).user_id == 1


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
    "alg none, signed": forge(header=HEADER | {"alg": "none"}),
    "alg hs512": forge(header=HEADER | {"alg": "HS512"}, digest="sha512"),
    "alg rs256": forge(header=HEADER | {"alg": "RS256"}),
    "alg lower case": forge(header=HEADER | {"alg": "hs256"}),
    "alg missing": forge(header={"typ": "JWT", "kid": "t2"}),
    "alg a list": forge(header=HEADER | {"alg": ["HS256"]}),
    "critical header": forge(header=HEADER | {"crit": ["x"], "x": 1}),
    "detached payload": forge(b"", header=HEADER | {"b64": False, "crit": ["b64"]}),
    "kid unknown": forge(header=HEADER | {"kid": "t9"}),
    "kid missing": forge(header=SGP_HEADER),
    "kid null": forge(header=HEADER | {"kid": None}),
    "kid a number": forge(header=HEADER | {"kid": 2}),
    "kid a path": forge(header=HEADER | {"kid": "../../dev/null"}, key=b""),
    "kid an injection": forge(header=HEADER | {"kid": "t2' UNION SELECT 'x"}),
    "kid of the former key, signed with the new": forge(header=HEADER | {"kid": "t1"}),
    "sgps under our kid": forge(SGPS, key=SGP),
    "sgps secret under our kid": forge(key=SGP),
    "sgps claims with our key": forge(SGPS),
    "ours with sgps header and our key": forge(SGPS, header=SGP_HEADER),
    "own key in the header": forge(header=HEADER | {"jwk": {"kty": "oct", "k": "eHh4"}}, key=b"x" * 32),
    "address of a key": forge(header=HEADER | {"jku": "http://127.0.0.1/"}, key=b"x" * 32),
    "signature with a stray character": forge() + "!",
    "signature with a blank in it": forge()[:-1] + " " + forge()[-1:],
    "signature padded": forge() + "=",
    "signature written otherwise": forge()[:-1] + chr(ord(forge()[-1]) + 1),
    "four parts": forge() + ".x",
    "line end behind": forge() + "\n",
    "issued in the future": forge(GOOD | {"iat": NOW + MAX_SKEW_S + LONG_S, "exp": NOW + 86400}),
    "sgps from the future": forge(
        SGPS | {"exp": NOW + SGP_LIFE_S + MAX_SKEW_S + LONG_S}, header=SGP_HEADER, key=SGP
    ),
    "sgps expired": forge(SGPS | {"exp": NOW - 1}, header=SGP_HEADER, key=SGP),
    "iat missing": forge({key: value for key, value in GOOD.items() if key != "iat"}),
    "iat text": forge(GOOD | {"iat": "now"}),
    "iat after exp": forge(GOOD | {"iat": SOON + 1}),
    "jti missing": forge({key: value for key, value in GOOD.items() if key != "jti"}),
    "cred missing": forge({key: value for key, value in GOOD.items() if key != "cred"}),
    "cred a bool": forge(GOOD | {"cred": True}),
    "cred negative": forge(GOOD | {"cred": -1}),
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
    "exp missing": forge({key: value for key, value in GOOD.items() if key != "exp"}),
    "exp null": forge(GOOD | {"exp": None}),
    "exp text": forge(GOOD | {"exp": "soon"}),
    "exp infinite": forge(json.dumps(GOOD).replace(str(SOON), "1e999").encode()),
    "exp nan": forge(GOOD | {"exp": float("nan")}),
    "sub missing": forge({key: value for key, value in GOOD.items() if key != "sub"}),
    "sub a number": forge(GOOD | {"sub": 1}),
    "user_id missing": forge({key: value for key, value in GOOD.items() if key != "user_id"}),
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
