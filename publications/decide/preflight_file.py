"""What is said of SGP's database where it is a SQLite file. Pure."""

from __future__ import annotations

from db.sgp_file import ASK_SGP
from publications.decide.verdicts import FileSeen, Outcome, Verdict

CATEGORY = "file"


def find_file_verdicts(seen: FileSeen) -> list[Verdict]:
    """Return what is said of the file."""
    return [_judge_journal(seen), _judge_library(seen)]


def _judge_journal(seen: FileSeen) -> Verdict:
    fact = (
        "it is written with a write-ahead log: SGP waits for nobody who reads"
        if seen.has_log
        else "it is written with a rollback journal: SGP waits for each look, some milliseconds"
    )
    return Verdict(CATEGORY, seen.endpoint, "journal", Outcome.OK, fact)


def _judge_library(seen: FileSeen) -> Verdict:
    """Only whoever writes by a log can cause the fault, and with which library SGP does is not seen."""
    if not seen.has_log:
        return Verdict(CATEGORY, seen.endpoint, "wal_reset_fault", Outcome.OK, "there is no log to reset")
    if not seen.has_fault:
        fact = f"SQLite {seen.sqlite} of this machine has the WAL-reset fault mended"
        return Verdict(CATEGORY, seen.endpoint, "wal_reset_fault", Outcome.OK, fact)
    fact = f"SQLite {seen.sqlite} of this machine has the WAL-reset fault; SGP's own is not seen from here"
    return Verdict(CATEGORY, seen.endpoint, "wal_reset_fault", Outcome.UNKNOWN, fact, ASK_SGP)
