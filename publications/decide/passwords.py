"""Whether a password is one that somebody can find out, by what its server keeps of it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

SCHEME = "SCRAM-SHA-256"
SHORTEST = 20
"""Letters of one that is made at random; `ponte init` makes 43."""
GUESSES = ("", "postgres", "ponte", "vitrine", "sgp", "senha", "password", "admin", "123456", "12345678")
"""What is tried first by whoever has a verifier; a BASE_BACKUP brings them all."""


def find_weak(verifiers: Mapping[str, str | None], known: Mapping[str, str]) -> list[str]:
    """Say which roles have a password that can be found out, each with why.

    verifiers: what the server keeps, by role; known: the passwords that this machine has.
    """
    found = []
    for role, verifier in sorted(verifiers.items()):
        if verifier is None:
            continue  # nobody logs in with a password that there is not
        if not verifier.startswith(SCHEME):
            found.append(f"{role} (kept as MD5)")
        elif any(is_made_of(verifier, guess) for guess in (*GUESSES, role)):
            found.append(f"{role} (guessed)")
        elif role in known and len(known[role]) < SHORTEST:
            found.append(f"{role} (shorter than {SHORTEST} letters)")
    return found


def is_made_of(verifier: str, password: str) -> bool:
    """Tell whether a SCRAM verifier, as pg_authid holds it, is that of a password of plain ASCII."""
    try:
        scheme, parameters, keys = verifier.split("$")
        iterations, salt = parameters.split(":")
        stored = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return scheme == SCHEME and hmac.compare_digest(hashlib.sha256(key).digest(), stored)
