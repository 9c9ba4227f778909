"""Signed requests between the two ends: who sends, what, where to and when, under one shared key.

The signature covers method, target, time, a number used once and the body's digest, so a recorded
request can't be sent to another address, with another body, later, or twice.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

TIME = "ponte-time"
NONCE = "ponte-nonce"
DIGEST = "ponte-digest"
SIGNATURE = "ponte-signature"
WINDOW_S = 300.0
"""How far the two clocks may differ, and how long a request can arrive late."""
EMPTY_DIGEST = sha256(b"").hexdigest()
_LONGEST = 64


class SignatureError(Exception):
    """A request is not signed, or not by this key, or late, or was here before."""


def sign_request(key: bytes, method: str, target: str, body: bytes) -> dict[str, str]:
    """Return the fields that sign a request. target: path and query, as they are sent."""
    fields = {
        TIME: str(int(time.time() * 1000)),
        NONCE: secrets.token_urlsafe(16),
        DIGEST: sha256(body).hexdigest(),
    }
    return fields | {SIGNATURE: _sign(key, method, target, fields)}


@dataclass
class Verifier:
    """Checks signatures, and remembers those of the window: each is good once."""

    key: bytes
    _seen: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, method: str, target: str, fields: Mapping[str, str]) -> str:
        """Return the digest that the body must have. Raise SignatureError.

        fields: the request's, their names in lower case.
        """
        given = {name: fields.get(name, "") for name in (TIME, NONCE, DIGEST, SIGNATURE)}
        if not all(0 < len(value) <= _LONGEST and value.isascii() for value in given.values()):
            raise SignatureError("unsigned")
        if not hmac.compare_digest(_sign(self.key, method, target, given), given[SIGNATURE]):
            raise SignatureError("not by this key")
        now = time.time()
        # Only what was signed is read as a number.
        if abs(now - int(given[TIME]) / 1000) > WINDOW_S:
            raise SignatureError("late or early")
        self._admit_once(given[SIGNATURE], now)
        return given[DIGEST]

    def _admit_once(self, signature: str, now: float) -> None:
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now:
                del self._seen[next(iter(self._seen))]
            if signature in self._seen:
                raise SignatureError("was here before")
            self._seen[signature] = now + 2 * WINDOW_S


def _sign(key: bytes, method: str, target: str, fields: Mapping[str, str]) -> str:
    said = "\n".join(("ponte1", method, target, fields[TIME], fields[NONCE], fields[DIGEST]))
    return hmac.digest(key, said.encode(), sha256).hex()
