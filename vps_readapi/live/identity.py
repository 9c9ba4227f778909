"""As whom SGP is asked: as the asker with its secret, else as the shop's service user, else as nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

from vps_readapi.auth.tokens import ALGORITHM, MAX_SKEW_S, Claims


@dataclass(frozen=True)
class Identity:
    """Writes the token of one question."""

    sgp_key: bytes | None
    """SGP's own secret."""
    service_token: str | None
    """A session of SGP's, of a user that may do as little as possible."""

    def write_token(self, claims: Claims) -> str | None:
        """Return what SGP knows the asker by; a token for him lives as long as two clocks may differ."""
        if self.sgp_key is None:
            return self.service_token
        payload = {
            "sub": claims.username,
            "user_id": claims.user_id,
            "exp": int(time.time()) + MAX_SKEW_S,
        }
        return jwt.encode(payload, self.sgp_key, algorithm=ALGORITHM)
