"""The feeder's loop: glance, look, land, beat; whatever fails is told and tried again."""

from __future__ import annotations

import logging
import signal
import sqlite3
import time
from collections.abc import Sequence
from threading import Event

import psycopg

from db.backoff import choose_pause_s
from db.errors import PonteError
from db.logs import log_event
from db.outage import Outage
from db.reasons import explain
from db.sgp_file import (
    ASK_SGP,
    SgpFileChangedError,
    SgpFileError,
    Signature,
    has_wal_reset_fault,
    open_sgp_file,
    read_signature,
)
from db.unreached import explain_failure
from publications.declare.declaration import Declaration, LandedTable
from publications.declare.names import HEARTBEAT
from publications.feeder.landing import Landing, Written
from publications.feeder.look import Difference, Look, look
from publications.feeder.settings import FeederSettings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
MOST_GONE, FEW_ROWS = 0.5, 20
"""Another file that lacks more than this share of a table with more than so many rows is in doubt, and the
same file with none of them."""

log = logging.getLogger("publications.feeder")


class FileInDoubtError(PonteError):
    """The file lacks most of what has landed: it is an empty one, or the wrong one."""


class MissingInFileError(PonteError):
    """A declared table or column is not in SGP's file."""


class Feeder:
    """Keeps the landing tables as SGP's file is."""

    def __init__(self, settings: FeederSettings, declaration: Declaration, *, accept: bool = False) -> None:
        """accept: take another file whatever it lacks, once."""
        self._settings = settings
        self._tables: Sequence[LandedTable] = [
            table for table in declaration.intake.tables if table.name != HEARTBEAT
        ]
        self._accept = accept
        self._landing: Landing | None = None
        self._seen: Signature | None = None
        self._schema_version: int | None = None
        self._landed_at = self._rest_until = float("-inf")

    def close(self) -> None:
        """Let go of the vitrine."""
        if self._landing is not None:
            self._landing.close()
            self._landing = None

    def step(self) -> Written | None:
        """Glance at the file, and land it where that is due; return what was written.

        Raise PonteError for what is wrong with the file or the landing tables, psycopg.Error for the rest.
        """
        if self._landing is None:
            self._landing = Landing(self._settings.vitrine_dsn.get_secret_value(), self._tables)
        now = time.monotonic()
        signature = read_signature(self._settings.sgp_file)
        due = now - self._landed_at >= self._settings.beat_seconds
        if not due and (signature == self._seen or now < self._rest_until):
            return None
        return self._land(self._landing, signature)

    def _land(self, landing: Landing, signature: Signature) -> Written:
        began = time.monotonic()
        landing.mend()
        with open_sgp_file(self._settings.sgp_file) as conn:
            found = look(conn, self._tables, landing.held.digests, landing.held.unchanged)
        took_s = time.monotonic() - began
        self._check_doubt(landing, signature, found)
        elapsed_s = time.monotonic() - began
        written = landing.write(found, signature, elapsed_s=elapsed_s, took_s=took_s)
        self._seen, self._landed_at, self._accept = signature, began, False
        # It works half of the time at most: the server is SGP's.
        self._rest_until = time.monotonic() + (time.monotonic() - began)
        self._tell(found, written, took_s)
        if found.missing:
            raise MissingInFileError(
                f"SGP's file lacks what is declared: {', '.join(found.missing)}",
                "if SGP has renamed it, rename it back; else take it out of the declaration, run"
                " 'ponte apply', and start the feeder anew",
            )
        return written

    def _check_doubt(self, landing: Landing, signature: Signature, found: Look) -> None:
        """Another file is taken, unless it would empty the window; a new one may bear the old number."""
        held = landing.held
        if held.identity is None:
            return
        another = signature.identity != held.identity or signature.counter < (held.counter or 0)
        lacking = [one for one in found.differences if _lacks_most(one, another=another)]
        if lacking and not self._accept:
            one = lacking[0]
            raise FileInDoubtError(
                f"SGP's file lacks {len(one.gone)} of {one.held} rows of {one.table.name.name} that it had"
                f"{', and is another file' if another else ''}: nothing of it is taken",
                "if it is the right one run 'python -m publications.feeder --once --accept', else put the"
                " right one back",
            )
        if another:
            gone = sum(len(one.gone) for one in found.differences)
            log_event(log, "another_file", level=logging.WARNING, gone=gone)

    def _tell(self, found: Look, written: Written, took_s: float) -> None:
        if self._schema_version not in {None, found.schema_version}:
            log_event(log, "schema_changed", schema_version=found.schema_version)
        self._schema_version = found.schema_version
        if written.rows or written.gone:
            log_event(
                log,
                "landed",
                rows=written.rows,
                gone=written.gone,
                unread=written.unread,
                unlanded=written.unlanded,
                look_ms=round(took_s * 1000),
            )

    def tell_fault(self, error: PonteError) -> None:
        """Leave word on the vitrine, if it is there to hear it."""
        if self._landing is not None:
            self._landing.tell_fault(error)

    def explain(self, error: Exception) -> PonteError:
        """Say what a failure means."""
        if not isinstance(error, psycopg.Error):
            return explain(error)
        dsn = self._settings.vitrine_dsn.get_secret_value()
        return explain_failure(error, dsn, name="vitrine", source="PONTE_FEEDER_VITRINE_DSN")


def _lacks_most(one: Difference, *, another: bool) -> bool:
    gone = len(one.gone) > MOST_GONE * one.held if another else not one.present
    return one.held > FEW_ROWS and gone


def run_service(feeder: Feeder, *, poll_s: float) -> None:
    """Feed until a signal asks to stop."""
    outage, stop = Outage(), Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    tell_library()
    log_event(log, "feeder_started")
    try:
        while True:
            stop.wait(poll_s if try_step(feeder, outage) else _pause_s(outage))
    except KeyboardInterrupt:
        log_event(log, "feeder_stopped")
    finally:
        feeder.close()


def _pause_s(outage: Outage) -> float:
    return choose_pause_s(outage.failures, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)


def try_step(feeder: Feeder, outage: Outage) -> bool:
    """Step once and tell whether it went well; what fails again and again is logged at growing distance."""
    try:
        written = feeder.step()
    except SgpFileChangedError:
        return True  # looked at again at once
    except Exception as error:  # noqa: BLE001  # a feeder that meets a bug must not end
        _give_up(feeder, error, outage)
        return False
    lasted_s = outage.works() if written else None  # where nothing was due nothing is proven
    if lasted_s is not None:
        log_event(log, "feeder_recovered", after_s=round(lasted_s, 1))
    return True


def _give_up(feeder: Feeder, error: Exception, outage: Outage) -> None:
    told = feeder.explain(error)
    if outage.fails((type(error), told.fact)):
        log_event(log, "feeding_failed", level=logging.ERROR, fact=told.fact, hint=told.hint)
    try:
        feeder.tell_fault(told)
    except psycopg.Error:
        feeder.close()
    if not isinstance(error, SgpFileError | MissingInFileError | FileInDoubtError):
        feeder.close()


def tell_library() -> None:
    """Warn of a SQLite with the WAL-reset fault. We never write: only SGP can cause it."""
    if has_wal_reset_fault():
        log_event(
            log,
            "sqlite_wal_reset_fault",
            level=logging.WARNING,
            version=sqlite3.sqlite_version,
            hint=ASK_SGP,
        )
