"""The log of every service: on stderr a JSON object a line, an event with its fields, never a row's value."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import LiteralString

from db.shown import dump_json

PLACES = 8
"""So many of a traceback's places are told, those nearest to the error."""


class JsonLines(logging.Formatter):
    """Write a record as one object: time, level, logger, event, and the fields that it carries."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            line |= {"error": record.exc_info[0].__name__, "trace": _trace(record)}
        return dump_json(line, default=str)


def _trace(record: logging.LogRecord) -> list[str]:
    """Return the places of a traceback, without the error's text: that may quote a row."""
    places = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-PLACES:]


def log_event(
    logger: logging.Logger, event: LiteralString, *, level: int = logging.INFO, **fields: object
) -> None:
    """Write one event with its fields."""
    logger.log(level, event, extra={"fields": fields})


def start_logging(*, level: int = logging.INFO, package: str | None = None) -> None:
    """Send what the process logs to stderr; with a package, only that one's: the others stay as they are."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(package)
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
