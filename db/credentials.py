"""Passwords, as far as they leave the intranet: a bcrypt salt and a keyed digest, never the hash.

The worker seals on the intranet, the VPS checks; both hold the key in their environment, neither in
its database, so a dump of either window checks no password. While a key is being changed both ends
hold the former one too: what is written with either can be read.

Whether both ends hold the same key is told by its mark, which stands among the passwords under no user's id.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import bcrypt

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_SALT_LENGTH = 29
_COST = slice(4, 6)
MAX_PASSWORD_BYTES = 72
"""What bcrypt reads; SGP's bcrypt 5 refuses longer ones, so no valid password is longer."""

MARK_ID = 0
"""No user has this id."""
_MARK_COST = 2**14
"""16 MB and about 50 ms: whoever has a dump shall not guess a weak key faster than a weak password."""


@dataclass(frozen=True)
class SealedPassword:
    """What the window holds of one password."""

    salt: str
    digest: bytes


@dataclass(frozen=True)
class CredentialKeys:
    """The keys by their ids; what is sealed from now on is sealed with the current one."""

    current: str
    by_id: Mapping[str, bytes]

    def seal(self, stored: str) -> SealedPassword:
        """Seal with the current key. Raise ValueError if the stored value is no bcrypt hash."""
        return seal(stored, self.by_id[self.current])

    def mark(self) -> SealedPassword:
        """Return what stands in the window for the current key: no password, and the key's mark."""
        return SealedPassword("", _mark(self.current, self.by_id[self.current]))

    def marks(self) -> list[bytes]:
        """Return the marks of all keys, in an order of their own."""
        return sorted(_mark(name, key) for name, key in self.by_id.items())


def is_bcrypt(stored: str) -> bool:
    """Tell whether SGP's stored value is a bcrypt hash; where it is not, SGP compares plain text."""
    return _BCRYPT.fullmatch(stored) is not None


def seal(stored: str, key: bytes) -> SealedPassword:
    """Turn a bcrypt hash into its salt and keyed digest. Raise ValueError if it is no bcrypt hash."""
    if not is_bcrypt(stored):
        raise ValueError("not a bcrypt hash")
    return SealedPassword(salt=stored[:_SALT_LENGTH], digest=_digest(stored.encode(), key))


def is_other_password(stored: str, held: SealedPassword, key: bytes | None) -> bool:
    """Tell whether a bcrypt hash is another one than that which was sealed.

    key: the one that it was sealed with, None where it is not at hand. Each hash has a salt of its own, so
    the salt alone tells nearly all; with the key nothing escapes.
    """
    if stored[:_SALT_LENGTH] != held.salt:
        return True
    return key is not None and not hmac.compare_digest(_digest(stored.encode(), key), held.digest)


def with_cost(salt: str, cost: int) -> str:
    """Return a bcrypt salt as it would be at another cost."""
    return f"{salt[: _COST.start]}{cost:02d}{salt[_COST.stop :]}"


def check(password: str, sealed: SealedPassword, key: bytes) -> bool:
    """Tell whether the password is the sealed one. Takes bcrypt's time: about 0.2 s at cost 12.

    key: the UTF-8 bytes of `PONTE_CREDENTIAL_KEY`, on both ends. Raise ValueError if the salt is none.
    """
    given = password.encode()
    if len(given) > MAX_PASSWORD_BYTES or b"\0" in given:
        return False
    hashed = bcrypt.hashpw(given, sealed.salt.encode())
    return hmac.compare_digest(_digest(hashed, key), sealed.digest)


def _mark(key_id: str, key: bytes) -> bytes:
    """Return what tells whether two ends hold the same key under the same id, and not the key."""
    return hashlib.scrypt(
        key, salt=b"ponte credential key " + key_id.encode(), n=_MARK_COST, r=8, p=1, dklen=32
    )


def _digest(hashed: bytes, key: bytes) -> bytes:
    return hmac.digest(key, hashed, sha256)
