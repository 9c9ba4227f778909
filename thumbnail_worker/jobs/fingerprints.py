"""The watch on what is published, on SGP and on the window: is it still what `ponte apply` left?"""

from __future__ import annotations

import logging
from threading import Event

from db.published import read_fingerprint, write_seen
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job


class PublishedJob(Job):
    """Compares the fingerprints of the publishing databases with those that were written down."""

    name = "published"
    interval_s = 15.0

    def __init__(self, sgp: JobConnection | None, vitrine: JobConnection) -> None:
        """sgp: none where SGP is a file, which publishes nothing."""
        self._connections = {"sgp": sgp, "vitrine": vitrine} if sgp else {"vitrine": vitrine}

    def run(self, stop: Event) -> None:  # noqa: ARG002 - four short statements
        """Look once; a difference is logged each time until it is gone."""
        vitrine = self._connections["vitrine"].connection()
        for endpoint, one in self._connections.items():
            if not write_seen(vitrine, endpoint, read_fingerprint(one.connection())):
                log("published_differs", level=logging.ERROR, endpoint=endpoint, hint="run 'ponte plan'")

    def close(self) -> None:
        """Let go of both connections."""
        for one in self._connections.values():
            one.close()
