"""The credential sync: SGP's password hashes, sealed, into the window.

What leaves SGP is the bcrypt salt and a keyed digest; see `db.credentials`. A password that changed is
noted with its time, so that the VPS ends the sessions of the former one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Event

from db.credentials import MARK_ID, CredentialKeys, SealedPassword, is_bcrypt, is_other_password
from db.engines import Connection
from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection, wait_for_notice
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job
from thumbnail_worker.sgp import Sgp

NOT_BCRYPT = "not_bcrypt"
"""SGP compares such a stored password as plain text; it is not carried to the VPS."""


@dataclass(frozen=True)
class HeldCredential:
    """What the window has of one user now; an empty salt where there was a password and is none any more."""

    sealed: SealedPassword
    key_id: str


@dataclass(frozen=True)
class SealedUsers:
    """What is to stand in the window."""

    sealed: dict[int, SealedPassword]
    changed: frozenset[int]
    """Those of them whose password is another one than the window has."""
    not_bcrypt: tuple[int, ...]
    """Ids of users who can't log in on the VPS."""


def seal_users(
    hashes: Iterable[tuple[int, str | None]], held: Mapping[int, HeldCredential], keys: CredentialKeys
) -> SealedUsers:
    """Seal each bcrypt hash and set the others aside.

    A password counts as changed only against one that was there before: a user's first one is no change,
    and neither is another key.
    """
    sealed: dict[int, SealedPassword] = {}
    changed, others = set(), []
    for user_id, stored in hashes:
        if stored is None or not is_bcrypt(stored):
            others.append(user_id)
            continue
        sealed[user_id] = keys.seal(stored)
        before = held.get(user_id)
        if before and is_other_password(stored, before.sealed, keys.by_id.get(before.key_id)):
            changed.add(user_id)
    return SealedUsers(sealed, frozenset(changed), tuple(sorted(others)))


class CredentialsJob(Job):
    """Keeps `vitrine.credenciais` as SGP's users are."""

    name = "credentials"
    least_s = 1.0  # each run asks SGP

    def __init__(self, sgp: Sgp, vitrine: JobConnection, *, keys: CredentialKeys) -> None:
        """vitrine: a connection that listens to the users' channel as soon as it is open."""
        self.interval_s = sgp.seconds
        self._sgp = sgp
        self._vitrine = vitrine
        self._keys = keys
        self._mark = keys.mark()
        self._sql = read_blocks("thumbnail_worker", "queries")
        self._told: tuple[int, ...] = ()

    def run(self, stop: Event) -> None:  # noqa: ARG002 - a moment's work
        """Read, seal, and write what differs, in one transaction."""
        # Listening comes before reading, so a change after the reading is heard.
        vitrine = self._vitrine.connection()
        hashes = self._sgp.read_password_hashes()
        with vitrine.transaction():
            users = seal_users(hashes, self._read_held(vitrine), self._keys)
            written, ended = self._write(vitrine, users)
        if written or ended:
            log("credentials_written", written=written, changed=len(users.changed), ended=ended)
        self._tell(users.not_bcrypt)

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run, or for a user's row to arrive in the window."""
        wait_for_notice(self._vitrine.connection(), stop, seconds)

    def close(self) -> None:
        """Let go of both connections."""
        self._sgp.close()
        self._vitrine.close()

    def _read_held(self, vitrine: Connection) -> dict[int, HeldCredential]:
        rows = vitrine.execute(self._sql["read_credenciais"])
        return {
            user_id: HeldCredential(SealedPassword(salt, digest), key_id)
            for user_id, salt, digest, key_id in rows
        }

    def _write(self, vitrine: Connection, users: SealedUsers) -> tuple[int, int]:
        # The key's mark travels as one more row: the VPS can tell another key from a wrong password.
        rows = {**users.sealed, MARK_ID: self._mark}
        given = {
            "user_ids": list(rows),
            "salts": [one.salt for one in rows.values()],
            "digests": [one.digest for one in rows.values()],
            "changed": [user_id in users.changed for user_id in rows],
            "key_id": self._keys.current,
            "not_bcrypt": list(users.not_bcrypt),
            "reason": NOT_BCRYPT,
        }
        written = vitrine.execute(self._sql["upsert_credenciais"], given).rowcount
        ended = vitrine.execute(self._sql["blank_credenciais"], given).rowcount
        ended += vitrine.execute(self._sql["delete_credenciais"], given).rowcount
        vitrine.execute(self._sql["upsert_unsynced"], given)
        vitrine.execute(self._sql["delete_unsynced"], given)
        return written, ended

    def _tell(self, not_bcrypt: tuple[int, ...]) -> None:
        if not_bcrypt != self._told:
            log("passwords_not_bcrypt", level=logging.WARNING, count=len(not_bcrypt), user_ids=not_bcrypt)
            self._told = not_bcrypt
