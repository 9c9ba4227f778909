"""The loop that keeps a job running, with jobs that fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from threading import Event, Thread

import pytest

from db.credentials import CredentialKeys
from db.errors import PonteError
from db.logs import JsonLines
from db.outage import Outage
from thumbnail_worker.jobs.credentials import seal_users
from thumbnail_worker.jobs.job import Job, keep_running, try_run

pytestmark = pytest.mark.unit

PATIENCE_S = 10.0


class ScriptedJob(Job):
    """Does what it is told, one step a run."""

    name = "scripted"
    interval_s = 0.01

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.closed = 0
        self.finished = Event()

    def run(self, stop: Event) -> None:  # noqa: ARG002 - the steps are short
        if not self.steps:
            self.finished.set()
            return
        self.steps.pop(0)()

    def close(self) -> None:
        self.closed += 1


def fail() -> None:
    raise ValueError("maria@exemplo.com.br")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    caplog.set_level(logging.INFO, logger="thumbnail_worker")
    return lambda: [json.loads(JsonLines().format(record)) for record in caplog.records]


def test_a_failure_is_logged_without_its_text(lines: Callable[[], list[dict[str, object]]]) -> None:
    job = ScriptedJob(fail)
    assert not try_run(job, Event(), Outage())
    (line,) = lines()
    assert (line["event"], line["job"], line["error"], line["level"]) == (
        "job_failed",
        "scripted",
        "ValueError",
        "error",
    )
    assert "maria" not in json.dumps(line)
    assert job.closed == 1


def test_an_error_for_people_is_logged_with_its_fact(lines: Callable[[], list[dict[str, object]]]) -> None:
    def say() -> None:
        raise PonteError("the bucket is gone", "make it")

    try_run(ScriptedJob(say), Event(), Outage())
    assert (lines()[0]["fact"], lines()[0]["hint"]) == ("the bucket is gone", "make it")


def test_a_job_goes_on_after_failures_and_says_so(lines: Callable[[], list[dict[str, object]]]) -> None:
    job = ScriptedJob(fail, fail, lambda: None)
    stop = Event()
    thread = Thread(target=keep_running, args=(job, stop))
    thread.start()
    assert job.finished.wait(PATIENCE_S)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert [line["event"] for line in lines()] == ["job_failed", "job_recovered"]
    assert lines()[1]["failures"] == 2


def test_a_wait_that_fails_does_not_end_the_job() -> None:
    class DeafJob(ScriptedJob):
        def wait(self, stop: Event, seconds: float) -> None:
            if self.steps:
                raise PonteError("the line is dead")
            super().wait(stop, seconds)

    job = DeafJob(lambda: None, lambda: None)
    stop = Event()
    thread = Thread(target=keep_running, args=(job, stop))
    thread.start()
    assert job.finished.wait(PATIENCE_S)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_what_is_no_bcrypt_is_set_aside() -> None:
    stored = "$2b$12$" + "a" * 53
    given = [(1, stored), (9, "senha"), (3, ""), (4, None), (2, "$2y$" + stored[4:])]
    users = seal_users(given, {}, CredentialKeys("k1", {"k1": b"k" * 32}))
    assert sorted(users.sealed) == [1, 2]
    assert users.not_bcrypt == (3, 4, 9)
