"""Session tokens as SGP makes them: HS256, the claims `sub`, `user_id` and `exp`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

ALGORITHM = "HS256"
MAX_TOKEN_CHARS = 4096
"""A token for the longest name that may log in has about 3,300."""
MAX_USER_ID = 2**31 - 1
"""What the id's column holds."""


class TokenError(Exception):
    """The text is no valid token; which check failed is nobody's business outside."""


@dataclass(frozen=True)
class Claims:
    """Whose token it is: `user_id` counts, the name may have changed since."""

    user_id: int
    username: str


@dataclass(frozen=True)
class Verified:
    """A token that is ours, with the second of 1970 in which it ends."""

    claims: Claims
    expires_at: int


@dataclass(frozen=True)
class Tokens:
    """Issues and verifies tokens under one key."""

    key: bytes
    lifetime: timedelta

    def issue(self, claims: Claims) -> str:
        """Return a signed token that lives for the lifetime."""
        expires = int((datetime.now(UTC) + self.lifetime).timestamp())
        payload = {"sub": claims.username, "user_id": claims.user_id, "exp": expires}
        return jwt.encode(payload, self.key, algorithm=ALGORITHM)

    def verify(self, token: str) -> Claims:
        """Return whose token it is. Raise TokenError unless it is ours and still lives."""
        return self.read(token).claims

    def read(self, token: str) -> Verified:
        """Return what the token says. Raise TokenError unless it is ours and still lives."""
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenError("too long")
        try:
            payload = jwt.decode(
                token, self.key, algorithms=[ALGORITHM], options={"require": ["sub", "user_id", "exp"]}
            )
        except (jwt.InvalidTokenError, RecursionError, OverflowError) as error:
            raise TokenError(type(error).__name__) from error
        user_id = payload["user_id"]
        if type(user_id) is not int or not 0 <= user_id <= MAX_USER_ID:
            raise TokenError("user_id is no id")
        claims = Claims(user_id=user_id, username=payload["sub"])
        return Verified(claims, int(payload["exp"]))
