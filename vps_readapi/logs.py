"""The log: one JSON object a line, on stderr."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from db.endings import Parser, run_program


class JsonFormatter(logging.Formatter):
    """Write a record as one object: time, level, logger, event, and the fields that it carries."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = _trace(record)
        return json.dumps(line, ensure_ascii=False)


def _trace(record: logging.LogRecord) -> list[str]:
    """Return the places of a traceback, without the error's text: that may quote a row."""
    places = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-8:]


def run_service(program: str, run: Callable[[], int], argv: Sequence[str] | None) -> int:
    """Run a program that takes no words but -v, with its log set up, and return its exit code."""
    parser = Parser(prog=program, description="All else comes from the environment.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show tracebacks")
    arguments = parser.parse_args(argv)
    set_up_logging()
    return run_program(run, verbose=arguments.verbose)


def set_up_logging() -> None:
    """Send every log record of the process to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
