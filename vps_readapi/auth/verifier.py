"""Who a request says that it is of, checked once: a phone sends the same token with every request."""

from __future__ import annotations

import time
from collections import OrderedDict

from vps_readapi.auth.tokens import TokenError, Tokens, Verified

MAX_REMEMBERED = 4096


class NoTokenError(TokenError):
    """There is none at all."""


class TokenVerifier:
    """Verifies `Authorization` fields, and remembers the good ones until others have pushed them out."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    def verify(self, authorization: bytes) -> Verified:
        """Return what the field's token says. Raise NoTokenError, or TokenError unless it is good and lives.

        Whether its session goes on is another question: `People.find` answers it.
        """
        verified = self._verified.get(authorization)
        if verified is None:
            scheme, _, token = authorization.partition(b" ")
            if scheme.lower() != b"bearer":
                raise NoTokenError("no bearer token")
            verified = self._tokens.read(token.strip().decode("latin-1"))
            self._verified[authorization] = verified
            if len(self._verified) > MAX_REMEMBERED:
                self._verified.popitem(last=False)
        if verified.expires_at <= time.time():
            raise TokenError("ended")
        return verified
