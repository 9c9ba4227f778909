"""The heartbeat: a row in SGP's database that travels the same road as the data."""

from __future__ import annotations

from threading import Event

from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.errors import HeartbeatRowError
from thumbnail_worker.jobs.job import Job


class HeartbeatJob(Job):
    """Beats."""

    name = "heartbeat"

    def __init__(self, sgp: JobConnection, *, interval_s: float) -> None:
        self.interval_s = interval_s
        self._sgp = sgp
        self._sql = read_blocks("thumbnail_worker", "queries")

    def run(self, stop: Event) -> None:  # noqa: ARG002 - one statement
        """Beat once. Raise HeartbeatRowError if there is nothing to beat on."""
        if self._sgp.connection().execute(self._sql["beat"]).rowcount == 0:
            raise HeartbeatRowError("ponte.heartbeat has no row in sgp", "run `ponte apply`")

    def close(self) -> None:
        """Let go of the connection."""
        self._sgp.close()
