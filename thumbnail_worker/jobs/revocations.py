"""SGP's logouts: the digests of tokens that were ended before their time, into the window."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Event

from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection, wait_for_notice
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job
from thumbnail_worker.sgp import Sgp

TOKEN_LIFE = timedelta(days=8)
"""How long SGP's tokens live; source: its API."""
_LOOK_BACK = timedelta(days=2)
"""`expires_at` is text with an offset: compared as text it may be a day off."""


def digest_tokens(rows: Iterable[tuple[str, str]], *, now: datetime) -> dict[bytes, datetime]:
    """Return when each token ends, by the SHA-256 of its text, for those that have not ended."""
    ends = {sha256(token.strip().encode()).digest(): read_end(text, now=now) for token, text in rows}
    return {digest: end for digest, end in ends.items() if end > now}


def read_end(text: str, *, now: datetime) -> datetime:
    """Read SGP's `expires_at`; what can't be read is kept for as long as any token lives."""
    try:
        end = datetime.fromisoformat(text.strip())
        return min(end if end.tzinfo else end.replace(tzinfo=UTC), now + 2 * TOKEN_LIFE)
    except (ValueError, OverflowError):
        return now + TOKEN_LIFE


class RevocationsJob(Job):
    """Keeps `vitrine.revogacoes` as SGP's revoked tokens are."""

    name = "revocations"
    least_s = 1.0  # each run asks SGP
    interval_s = 30.0

    def __init__(self, sgp: Sgp, vitrine: JobConnection) -> None:
        """vitrine: a connection that listens to the revocations' channel as soon as it is open."""
        self._sgp = sgp
        self._vitrine = vitrine
        self._sql = read_blocks("thumbnail_worker", "queries")

    def run(self, stop: Event) -> None:  # noqa: ARG002 - a moment's work
        """Read, digest, write what is new and take away what has ended."""
        vitrine = self._vitrine.connection()
        now = datetime.now(UTC)
        rows = self._sgp.read_revoked_tokens((now - _LOOK_BACK).date().isoformat())
        ends = digest_tokens(rows, now=now)
        given = {"digests": list(ends), "ends": list(ends.values())}
        written = vitrine.execute(self._sql["insert_revogacoes"], given).rowcount
        deleted = vitrine.execute(self._sql["delete_revogacoes"], {"now": now}).rowcount
        if written or deleted:
            log("revocations_written", written=written, deleted=deleted)

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run, or for a logout in SGP."""
        wait_for_notice(self._vitrine.connection(), stop, seconds)

    def close(self) -> None:
        """Let go of both connections."""
        self._sgp.close()
        self._vitrine.close()
