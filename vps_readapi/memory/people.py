"""Who may read, as of the memory's snapshot: users, what they may not see, and sessions that were ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vps_readapi.auth.tokens import Verified
from vps_readapi.pedidos.visibility import VisibilityPolicy

USUAL_COST = 12
"""SGP's bcrypt cost, for as long as there is no password to tell another."""


@dataclass(frozen=True, slots=True)
class Person:
    """An active user."""

    username: str
    is_admin: bool
    setor: str
    credential_at: int
    """When his password last changed, in microseconds since 1970; 0 if nobody saw it change."""
    hidden: int
    """What he does not see, as bits of `visibility`."""


class People:
    """The active users by id, and the digests of revoked tokens."""

    def __init__(self, policy: VisibilityPolicy) -> None:
        self._policy = policy
        self._people: dict[int, Person] = {}
        self._revoked: frozenset[bytes] = frozenset()
        self.cost = USUAL_COST
        """The bcrypt cost that most passwords have."""

    def replace(self, found: Mapping[str, Any] | None) -> None:
        """Take the statement's JSON object; None forgets everybody."""
        found = found or {}
        self._people = {
            int(key): self._read(*values) for key, values in (found.get("usuarios") or {}).items()
        }
        self._revoked = frozenset(map(bytes.fromhex, found.get("revogados") or ()))
        self.cost = int(found.get("custo") or USUAL_COST)

    def find(self, token: Verified) -> Person | None:
        """Return whose session it is; None unless the user is active and the session goes on."""
        person = self._people.get(token.claims.user_id)
        if person is None or token.digest in self._revoked or token.expires_at <= time.time():
            return None
        if token.credential_at is None:  # SGP's: issued by the clock that the change was noted by
            return person if token.issued_at * 1_000_000 >= person.credential_at >= 0 else None
        return person if token.credential_at == person.credential_at else None

    def _read(self, username: str, is_admin: bool, setor: str, credential_at: int) -> Person:
        hidden = self._policy.find_hidden(setor, is_admin=is_admin)
        return Person(username, is_admin, setor, credential_at, hidden)
