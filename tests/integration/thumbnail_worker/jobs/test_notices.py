"""Notices by the thousand, from whoever may enter the vitrine: they cost SGP a question a second."""

from __future__ import annotations

from threading import Event, Thread
from time import monotonic

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from tests.fix_clusters import PORTS
from tests.fix_photos import worker_dsn
from tests.fix_road import ROLE_PASSWORD, Road
from thumbnail_worker.connection import JobConnection, wait_for_notice
from thumbnail_worker.jobs.credentials import CredentialsJob
from thumbnail_worker.jobs.job import Job, keep_running

pytestmark = [pytest.mark.integration, pytest.mark.any_version]

FLOOD_S = 2.5


class AskingJob(Job):
    """Is woken as the job of credentials is, and counts how often it would ask SGP."""

    name = "asking"
    interval_s = 30.0
    least_s = CredentialsJob.least_s

    def __init__(self, vitrine: JobConnection) -> None:
        self.runs = 0
        self._vitrine = vitrine
        self.listens = Event()

    def run(self, stop: Event) -> None:  # noqa: ARG002
        self.runs += 1
        self._vitrine.connection()
        self.listens.set()

    def wait(self, stop: Event, seconds: float) -> None:
        wait_for_notice(self._vitrine.connection(), stop, seconds)

    def close(self) -> None:
        self._vitrine.close()


def test_a_flood_of_notices_asks_sgp_no_oftener_than_once_a_second(mended_road: Road) -> None:
    job = AskingJob(JobConnection("vitrine", SecretStr(worker_dsn(mended_road)), on_open="LISTEN ponte_user"))
    stop = Event()
    running = Thread(target=keep_running, args=(job, stop))
    running.start()
    try:
        assert job.listens.wait(30)
        thief = make_conninfo(
            "", host="127.0.0.1", port=PORTS["vitrine"], dbname="vitrine", user="ponte_export_vps",
            password=ROLE_PASSWORD,
        )  # fmt: skip
        began, sent = monotonic(), 0
        with psycopg.connect(thief, autocommit=True) as conn:
            while monotonic() - began < FLOOD_S:
                conn.execute(f"NOTIFY ponte_user, '{sent}'".encode())
                sent += 1
        lasted_s = monotonic() - began
    finally:
        stop.set()
        running.join(30)
    assert sent > 10 * lasted_s
    assert 2 <= job.runs <= lasted_s / job.least_s + 2
