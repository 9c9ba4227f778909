"""Session tokens: our own, signed with a named key, and SGP's, where its secret was given.

SGP's are HS256 with exactly the claims `sub`, `user_id` and `exp`, and name no key; a token that names
none can only be SGP's. Which key checks a token is decided by that name, and the algorithm by the key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import jwt
from jwt.types import Options

ALGORITHM = "HS256"
MAX_TOKEN_CHARS = 4096
"""A token for the longest name that may log in has about 3,500."""
MAX_USER_ID = 2**31 - 1
"""What the id's column holds."""
MAX_SKEW_S = 300
"""How far ahead the clock that issued a token may be: SGP's is another machine's."""
MAX_KEPT_S = 90 * 86400
"""For how long after its end a token still tells a device that somebody has logged in on."""
SGP_LIFE_S = 8 * 86400
"""How long SGP's tokens live: what they say of when they were issued."""
CREDENTIAL = "cred"
"""The claim that names the password which opened the session, by when it was set."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""The one way to write a token: decoders let stray characters pass, and another text has another digest."""
_OURS = ("sub", "user_id", "exp", "iat", "jti", CREDENTIAL)
_SGPS = ("sub", "user_id", "exp")


class TokenError(Exception):
    """The text is no valid token; which check failed is nobody's business outside."""


@dataclass(frozen=True)
class Claims:
    """Whose token it is: `user_id` counts, the name may have changed since."""

    user_id: int
    username: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that was well signed and has not ended; whether it was revoked is another question."""

    claims: Claims
    expires_at: int
    """In seconds since 1970."""
    issued_at: int
    credential_at: int | None
    """When the password that opened the session was set, in microseconds; None in SGP's, which do not say."""
    digest: bytes
    """SHA-256 of the text."""


@dataclass(frozen=True)
class TokenKeys:
    """The keys that tokens are checked with; new ones are signed with the current one."""

    current: str
    by_id: Mapping[str, bytes]
    sgp: bytes | None = None
    """SGP's secret, where its sessions are good here too."""


@dataclass(frozen=True)
class Tokens:
    """Issues and verifies tokens."""

    keys: TokenKeys
    lifetime: timedelta

    def issue(self, claims: Claims, *, credential_at: int = 0) -> str:
        """Return a signed token that lives for the lifetime."""
        now = int(time.time())
        payload = {
            "sub": claims.username,
            "user_id": claims.user_id,
            "exp": now + int(self.lifetime.total_seconds()),
            "iat": now,
            "jti": token_urlsafe(12),
            CREDENTIAL: credential_at,
        }
        key = self.keys.by_id[self.keys.current]
        return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": self.keys.current})

    def verify(self, token: str) -> Claims:
        """Return whose token it is. Raise TokenError unless it is good and still lives."""
        return self.read(token).claims

    def read(self, token: str) -> Verified:
        """Return what the token says. Raise TokenError unless it is good and still lives."""
        if len(token) > MAX_TOKEN_CHARS or not _FORM.fullmatch(token):
            raise TokenError("no token's form")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key, demanded = self._choose_key(kid)
            payload = jwt.decode(
                token, key, algorithms=[ALGORITHM], options={"require": demanded, "verify_iat": False}
            )
        except (jwt.InvalidTokenError, RecursionError, OverflowError) as error:
            raise TokenError(type(error).__name__) from error
        return _read_payload(payload, ours=kid is not None, digest=sha256(token.encode()).digest())

    def recognize(self, token: str, username: str) -> str:
        """Return the digest of a token that was once ours and this name's, ended or not; else nothing."""
        if len(token) > MAX_TOKEN_CHARS or not _FORM.fullmatch(token):
            return ""
        try:
            key, demanded = self._choose_key(str(jwt.get_unverified_header(token).get("kid")))
            options: Options = {"require": demanded, "verify_iat": False, "verify_exp": False}
            payload = jwt.decode(token, key, algorithms=[ALGORITHM], options=options)
        except (TokenError, jwt.InvalidTokenError, RecursionError, OverflowError):
            return ""
        ended = time.time() - MAX_KEPT_S
        is_kept = payload["sub"] == username and type(payload["exp"]) is int and payload["exp"] > ended
        return sha256(token.encode()).hexdigest() if is_kept else ""

    def _choose_key(self, kid: str | None) -> tuple[bytes, list[str]]:
        """Return the key that the header names, and the claims that such tokens have."""
        key = self.keys.sgp if kid is None else self.keys.by_id.get(kid)
        if key is None:
            raise TokenError("no such key")
        return key, list(_SGPS if kid is None else _OURS)


def _read_payload(payload: Mapping[str, Any], *, ours: bool, digest: bytes) -> Verified:
    user_id, expires_at = _read_int(payload["user_id"], MAX_USER_ID), int(payload["exp"])
    issued_at = _read_int(payload["iat"], expires_at) if ours else expires_at - SGP_LIFE_S
    if issued_at > time.time() + MAX_SKEW_S:
        raise TokenError("issued in the future")
    return Verified(
        claims=Claims(user_id=user_id, username=payload["sub"]),
        expires_at=expires_at,
        issued_at=issued_at,
        credential_at=_read_int(payload[CREDENTIAL], 2**63) if ours else None,
        digest=digest,
    )


def _read_int(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise TokenError("no such number")
    return value
