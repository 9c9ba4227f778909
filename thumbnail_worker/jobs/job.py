"""What a job is, and the loop that keeps one running whatever happens to it."""

from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from pathlib import Path
from threading import Event
from time import monotonic
from typing import LiteralString

import psycopg

from db.backoff import choose_pause_s
from db.errors import PonteError
from db.outage import Outage
from db.reasons import explain
from thumbnail_worker.events import log

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
_HERE = Path(__file__).parents[1]


class Job(ABC):
    """Something done again and again."""

    name: LiteralString
    interval_s: float
    """From the start of one run to the start of the next."""
    least_s: float = 0.2
    """The same, however often somebody notifies: whoever may enter the vitrine may do that."""

    @abstractmethod
    def run(self, stop: Event) -> None:
        """Do what is to be done now; return early, at a safe place, once `stop` is set."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; the next run opens them anew."""

    def wait(self, stop: Event, seconds: float) -> None:
        """Wait for the next run."""
        stop.wait(seconds)


def keep_running(job: Job, stop: Event) -> None:
    """Run the job at its cadence until `stop` is set; after a failure sooner, then ever more rarely."""
    outage = Outage()
    while not stop.is_set():
        started = monotonic()
        if try_run(job, stop, outage) and _try_wait(job, stop, outage, started + job.interval_s):
            stop.wait(max(0.0, started + min(job.least_s, job.interval_s) - monotonic()))
        else:
            stop.wait(choose_pause_s(outage.failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
    job.close()


def try_run(job: Job, stop: Event, outage: Outage) -> bool:
    """Run the job once and tell whether it went well; after a failure its connections are closed.

    What fails again and again is logged at growing distance, and so is its end.
    """
    try:
        job.run(stop)
    except Exception as error:  # noqa: BLE001 - a job that meets a bug must not end, nor end the others
        _give_up(job, error, outage)
        return False
    failures = outage.failures
    lasted_s = outage.works()
    if lasted_s is not None:
        log("job_recovered", job=job.name, failures=failures, after_s=round(lasted_s, 1))
    return True


def describe_error(error: Exception) -> dict[str, object]:
    """Return what may be logged of an error: its kind and place, not its text, which may quote a row."""
    fields: dict[str, object] = {"error": type(error).__name__}
    if isinstance(error, (PonteError, psycopg.Error)):
        told = explain(error)
        fields |= {"fact": told.fact, "hint": told.hint}
    if isinstance(error, psycopg.Error) and error.sqlstate:
        fields["sqlstate"] = error.sqlstate
    frames = traceback.extract_tb(error.__traceback__)
    if ours := [frame for frame in frames if Path(frame.filename).is_relative_to(_HERE)]:
        fields["at_line"] = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return fields


def _try_wait(job: Job, stop: Event, outage: Outage, until: float) -> bool:
    try:
        job.wait(stop, max(0.0, until - monotonic()))
    except Exception as error:  # noqa: BLE001 - as in try_run
        _give_up(job, error, outage)
        return False
    return True


def _give_up(job: Job, error: Exception, outage: Outage) -> None:
    fields = describe_error(error)
    if outage.fails(tuple(fields.items())):
        log("job_failed", level=logging.ERROR, job=job.name, failures=outage.failures, **fields)
    job.close()
