"""Passwords, as far as they leave the intranet: a bcrypt salt and a keyed digest, never the hash.

The worker seals on the intranet, the VPS checks; both hold the key in their environment, neither in
its database, so a dump of either window checks no password.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import sha256

import bcrypt

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_SALT_LENGTH = 29
MAX_PASSWORD_BYTES = 72
"""What bcrypt reads; SGP's bcrypt 5 refuses longer ones, so no valid password is longer."""


@dataclass(frozen=True)
class SealedPassword:
    """What the window holds of one password."""

    salt: str
    digest: bytes


def is_bcrypt(stored: str) -> bool:
    """Tell whether SGP's stored value is a bcrypt hash; where it is not, SGP compares plain text."""
    return _BCRYPT.fullmatch(stored) is not None


def seal(stored: str, key: bytes) -> SealedPassword:
    """Turn a bcrypt hash into its salt and keyed digest. Raise ValueError if it is no bcrypt hash."""
    if not is_bcrypt(stored):
        raise ValueError("not a bcrypt hash")
    return SealedPassword(salt=stored[:_SALT_LENGTH], digest=_digest(stored.encode(), key))


def check(password: str, sealed: SealedPassword, key: bytes) -> bool:
    """Tell whether the password is the sealed one. Takes bcrypt's time: about 0.2 s at cost 12.

    key: the UTF-8 bytes of `PONTE_CREDENTIAL_KEY`, on both ends. Raise ValueError if the salt is none.
    """
    given = password.encode()
    if len(given) > MAX_PASSWORD_BYTES or b"\0" in given:
        return False
    hashed = bcrypt.hashpw(given, sealed.salt.encode())
    return hmac.compare_digest(_digest(hashed, key), sealed.digest)


def _digest(hashed: bytes, key: bytes) -> bytes:
    return hmac.digest(key, hashed, sha256)
