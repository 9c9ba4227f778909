"""Failed logins, which are counted in the VPS's own schema `auth`.

Names and addresses are written as keyed digests: a dump of the database tells neither.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from vps_readapi.addresses import find_network
from vps_readapi.auth.queries import settle_attempt, take_attempt
from vps_readapi.database import Database

_PURPOSE = b"ponte failed logins"


@dataclass(frozen=True)
class Attempt:
    """One login, by the digests of its account's name, of where it comes from and on which device."""

    account: bytes
    """With the digest of the token behind it that the device kept."""
    address: bytes


class Attempts:
    """Counts attempts, by functions that can do nothing else."""

    def __init__(self, database: Database, *, key: bytes) -> None:
        """database: through the role `ponte_auth`."""
        self._database = database
        self._key = hmac.digest(key, _PURPOSE, sha256)

    def describe(self, username: str, host: str, *, device: str = "") -> Attempt:
        """Return the digests of who tries; device: that of a token of this name's which he still has."""
        kept = self._digest("device", device) if device else b""
        address = self._digest("address", find_network(host))
        return Attempt(self._digest("account", username) + kept, address)

    async def take(self, attempt: Attempt) -> float:
        """Count an attempt and return 0, or return the seconds to wait before one counts."""
        row = await self._database.fetch_first(take_attempt(attempt.account, attempt.address))
        return float(row.wait_s) if row else 0.0

    async def settle(self, attempt: Attempt) -> None:
        """The password was right: forget the failures of this way in, and know it from now on."""
        await self._database.fetch(settle_attempt(attempt.account, attempt.address))

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{kind}:{text}".encode("utf-8", "surrogatepass"), sha256)
