"""The credential sync: SGP's password hashes, sealed, into the window.

What leaves SGP is the bcrypt salt and a keyed digest; see `db.credentials`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Event
from time import monotonic

from pydantic import SecretStr

from db.credentials import SealedPassword, is_bcrypt, seal
from db.engines import Connection
from db.sqlfile import read_blocks
from thumbnail_worker.events import log
from thumbnail_worker.job import Job
from thumbnail_worker.session import Session

_STOP_CHECK_S = 0.5


@dataclass(frozen=True)
class SealedUsers:
    """What is to stand in the window."""

    sealed: dict[int, SealedPassword]
    not_bcrypt: tuple[int, ...]
    """Ids of users who can't log in on the VPS: SGP compares their passwords as plain text."""


def seal_users(hashes: Iterable[tuple[int, str | None]], key: bytes) -> SealedUsers:
    """Seal each bcrypt hash and set the others aside."""
    sealed: dict[int, SealedPassword] = {}
    others: list[int] = []
    for user_id, stored in hashes:
        if stored is not None and is_bcrypt(stored):
            sealed[user_id] = seal(stored, key)
        else:
            others.append(user_id)
    return SealedUsers(sealed, tuple(sorted(others)))


class CredentialsJob(Job):
    """Keeps `vitrine.credenciais` as SGP's users are."""

    name = "credentials"
    interval_s = 30.0

    def __init__(self, sgp: Session, vitrine: Session, *, key: SecretStr, key_id: str) -> None:
        """vitrine: a session that listens to the users' channel as soon as it is open."""
        self._sgp = sgp
        self._vitrine = vitrine
        self._key = key.get_secret_value().encode()
        self._key_id = key_id
        self._sql = read_blocks("thumbnail_worker", "queries")
        self._told: tuple[int, ...] = ()

    def run(self, stop: Event) -> None:  # noqa: ARG002 - a moment's work
        """Read, seal, and write what differs, in one transaction."""
        # Listening comes before reading, so a change after the reading is heard.
        vitrine = self._vitrine.connection()
        hashes = self._sgp.connection().execute(self._sql["read_password_hashes"]).fetchall()
        users = seal_users(hashes, self._key)
        written, deleted = self._write(vitrine, users.sealed)
        if written or deleted:
            log("credentials_written", written=written, deleted=deleted)
        self._tell(users.not_bcrypt)

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run, or for a user's row to arrive in the window."""
        deadline = monotonic() + seconds
        connection = self._vitrine.connection()
        while not stop.is_set() and (left := deadline - monotonic()) > 0:
            if list(connection.notifies(timeout=min(left, _STOP_CHECK_S), stop_after=1)):
                return

    def close(self) -> None:
        """Let go of both connections."""
        self._sgp.close()
        self._vitrine.close()

    def _write(self, vitrine: Connection, sealed: dict[int, SealedPassword]) -> tuple[int, int]:
        given = {
            "user_ids": list(sealed),
            "salts": [one.salt for one in sealed.values()],
            "digests": [one.digest for one in sealed.values()],
            "key_id": self._key_id,
        }
        with vitrine.transaction():
            written = vitrine.execute(self._sql["upsert_credenciais"], given).rowcount
            deleted = vitrine.execute(self._sql["delete_credenciais"], given).rowcount
        return written, deleted

    def _tell(self, not_bcrypt: tuple[int, ...]) -> None:
        if not_bcrypt != self._told:
            log("passwords_not_bcrypt", level=logging.WARNING, count=len(not_bcrypt), user_ids=not_bcrypt)
            self._told = not_bcrypt
