"""Which passwords count as changed, and which revocations are carried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import bcrypt
import pytest

from db.credentials import CredentialKeys, seal
from thumbnail_worker.jobs.credentials import HeldCredential, seal_users
from thumbnail_worker.jobs.revocations import TOKEN_LIFE, digest_tokens

pytestmark = pytest.mark.unit

OLD, NEW = b"o" * 32, b"n" * 32
ONE, OTHER = (bcrypt.hashpw(text, bcrypt.gensalt(4)).decode() for text in (b"uma", b"outra"))
TURNED = CredentialKeys("k2", {"k2": NEW, "k1": OLD})
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def held(stored: str, key: bytes, key_id: str) -> HeldCredential:
    return HeldCredential(seal(stored, key), key_id)


BLANK = HeldCredential(seal(ONE, OLD).__class__("", b""), "k1")


@pytest.mark.parametrize(
    ("before", "keys", "changed"),
    [
        (None, TURNED, False),
        (held(ONE, NEW, "k2"), TURNED, False),
        (held(OTHER, NEW, "k2"), TURNED, True),
        (held(ONE, OLD, "k1"), TURNED, False),
        (held(OTHER, OLD, "k1"), TURNED, True),
        (held(ONE, OLD, "k1"), CredentialKeys("k2", {"k2": NEW}), False),
        (held(OTHER, OLD, "k1"), CredentialKeys("k2", {"k2": NEW}), True),
        (BLANK, TURNED, True),
    ],
    ids=[
        "first",
        "the same",
        "another",
        "the same, key turned",
        "another, key turned",
        "the same, former key gone",
        "another, former key gone",
        "was none",
    ],
)
def test_only_another_password_is_a_change(
    before: HeldCredential | None, keys: CredentialKeys, changed: bool
) -> None:
    users = seal_users([(1, ONE)], {1: before} if before else {}, keys)
    assert (1 in users.changed) is changed
    assert users.sealed[1] == seal(ONE, NEW)


def test_a_hash_with_the_same_salt_is_another_password_all_the_same() -> None:
    forged = ONE[:-1] + ("a" if ONE[-1] != "a" else "b")
    assert seal_users([(1, forged)], {1: held(ONE, OLD, "k1")}, TURNED).changed == {1}


def test_revoked_tokens_are_carried_while_they_would_live() -> None:
    ends = {
        "lives": "2026-11-24T12:00:00+00:00",
        "lives elsewhere": "2026-11-23T09:30:00-03:00",
        "naive": "2026-11-23T13:00:00",
        "ended": "2026-11-23T11:59:59+00:00",
        "ended elsewhere": "2026-11-23T08:59:00-03:00",
        "unreadable": "amanhã",
        "endless": "9999-12-31T23:59:59+00:00",
    }
    found = digest_tokens(ends.items(), now=NOW)
    expected = {
        "lives": NOW + timedelta(days=1),
        "lives elsewhere": NOW + timedelta(minutes=30),
        "naive": NOW + timedelta(hours=1),
        "unreadable": NOW + TOKEN_LIFE,
        "endless": NOW + 2 * TOKEN_LIFE,
    }
    assert found == {sha256(token.encode()).digest(): end for token, end in expected.items()}
