"""The log: one JSON object a line on stderr, an event's name and its fields, never a row's values."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import LiteralString

_LOGGER = logging.getLogger("thumbnail_worker")


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for one event."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = getattr(record, "fields", {})
        line = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()} | fields
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging() -> None:
    """Send this package's events to stderr; other packages' logs stay where they are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False


def log(event: LiteralString, *, level: int = logging.INFO, **fields: object) -> None:
    """Write one event."""
    _LOGGER.log(level, event, extra={"fields": fields})
