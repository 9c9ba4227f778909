"""The dead letters: rows that the projection could not write, tried again until it can."""

from __future__ import annotations

import logging
from threading import Event

from db.sqlfile import read_blocks
from thumbnail_worker.connection import JobConnection
from thumbnail_worker.events import log
from thumbnail_worker.jobs.job import Job

_MOST = 100


class DeadLettersJob(Job):
    """Has the projection try its dead letters again."""

    name = "dead_letters"
    interval_s = 15.0

    def __init__(self, vitrine: JobConnection) -> None:
        self._vitrine = vitrine
        self._sql = read_blocks("thumbnail_worker", "queries")

    def run(self, stop: Event) -> None:  # noqa: ARG002 - one statement
        """Try the longest waiting ones, and log how many are left."""
        row = self._vitrine.connection().execute(self._sql["retry_dead_letters"], {"most": _MOST}).fetchone()
        if row and row[0]:
            log("dead_letters_left", level=logging.WARNING, left=row[0])

    def close(self) -> None:
        """Let go of the connection."""
        self._vitrine.close()
