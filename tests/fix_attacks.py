"""Sessions that must not be given: a table of what people try, and the good tokens that it is made of."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from infra.devstack.seed import DEMO_JWT_SECRET, sign_token
from tests.fix_api import TOKEN_KEY
from tests.fix_shop import IDS


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forge(
    header: Mapping[str, object], payload: Mapping[str, object], key: str, digest: str = "sha256"
) -> str:
    signed = f"{encode(header)}.{encode(payload)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key.encode(), signed.encode(), digest))
    return f"{signed}.{signature.rstrip(b'=').decode()}"


NOW = int(time.time())
OURS = {"alg": "HS256", "typ": "JWT", "kid": "t1"}
SGPS = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"sub": "admin", "user_id": 1, "exp": NOW + 86400, "iat": NOW, "jti": "x", "cred": 0}
SGP_CLAIMS = {"sub": "admin", "user_id": 1, "exp": NOW + 86400}
GOOD = {"ours": forge(OURS, CLAIMS, TOKEN_KEY), "sgp's": forge(SGPS, SGP_CLAIMS, DEMO_JWT_SECRET)}
ATTACKS = {
    "no token": "",
    "nonsense": "abc",
    "alg none": forge(OURS | {"alg": "none"}, CLAIMS, TOKEN_KEY).rpartition(".")[0] + ".",
    "alg none, signed": forge(OURS | {"alg": "none"}, CLAIMS, TOKEN_KEY),
    "alg none, sgp's": forge(SGPS | {"alg": "none"}, SGP_CLAIMS, DEMO_JWT_SECRET),
    "another algorithm": forge(OURS | {"alg": "HS512"}, CLAIMS, TOKEN_KEY, "sha512"),
    "a public key's algorithm": forge(OURS | {"alg": "RS256"}, CLAIMS, TOKEN_KEY),
    "expired": forge(OURS, CLAIMS | {"exp": NOW - 1, "iat": NOW - 9}, TOKEN_KEY),
    "expired, sgp's": forge(SGPS, SGP_CLAIMS | {"exp": NOW - 1}, DEMO_JWT_SECRET),
    "from the future": forge(OURS, CLAIMS | {"iat": NOW + 7200}, TOKEN_KEY),
    "from the future, sgp's": forge(SGPS, SGP_CLAIMS | {"exp": NOW + 9 * 86400}, DEMO_JWT_SECRET),
    "not yet": forge(OURS, CLAIMS | {"nbf": NOW + 7200}, TOKEN_KEY),
    "a foreign key's id": forge(OURS | {"kid": "t9"}, CLAIMS, TOKEN_KEY),
    "a key's id that is a path": forge(OURS | {"kid": "/dev/null"}, CLAIMS, ""),
    "a key's id that is SQL": forge(OURS | {"kid": "' OR '1'='1"}, CLAIMS, TOKEN_KEY),
    "our key without its id": forge(SGPS, SGP_CLAIMS, TOKEN_KEY),
    "sgp's key under our id": forge(OURS, CLAIMS, DEMO_JWT_SECRET),
    "sgp's claims with our key": forge(OURS, SGP_CLAIMS, TOKEN_KEY),
    "a guessed key": forge(OURS, CLAIMS, "secret"),
    "a key of its own": forge(OURS | {"jwk": {"kty": "oct", "k": "eHh4"}}, CLAIMS, "xxx"),
    "the signature of another": GOOD["ours"].rpartition(".")[0] + "." + GOOD["sgp's"].rpartition(".")[2],
    "somebody inactive": forge(OURS, CLAIMS | {"user_id": IDS["yara.inativa"]}, TOKEN_KEY),
    "somebody inactive, sgp's": sign_token(
        IDS["yara.inativa"], expires_at=datetime.now(UTC) + timedelta(days=1)
    ),
    "nobody": forge(OURS, CLAIMS | {"user_id": 999}, TOKEN_KEY),
    "an id that is SQL": forge(OURS, CLAIMS | {"user_id": "1 OR true"}, TOKEN_KEY),
    "an id out of range": forge(OURS, CLAIMS | {"user_id": 2**40}, TOKEN_KEY),
    "a password of another time": forge(OURS, CLAIMS | {"cred": 1}, TOKEN_KEY),
    "oversized": forge(OURS, CLAIMS | {"sub": "a" * 5000}, TOKEN_KEY),
    "nested deep": encode(OURS) + "." + "W" * 3000 + "." + "A" * 43,
}

NAMES = [
    "admin' --",
    "' OR '1'='1",
    "admin'; DROP TABLE vitrine.usuarios; --",
    "ADMIN",
    " admin",
    "admin ",
    "admin\x00",
    "admin\r\nSet-Cookie: a=b",
    "%",
    "\ud800",
    "\u200badmin",
    "",
]
"""Names that are not quite somebody's."""

HOSTS = [
    "' OR '1'='1",
    "1.2.3.4'); DROP TABLE auth.attempts; --",
    "::ffff:1.2.3.4",
    "9" * 4000,
    "\xe9",
    ",,,",
    "-",
]
"""What may stand where the proxy writes the address."""
