"""What goes on for as long as its service does says what nobody foresaw, and goes on."""

from __future__ import annotations

import logging

from db.outage import Outage


class Unforeseen:
    """Says it with its places: once, then at growing distance."""

    def __init__(self, logger: logging.Logger, **fields: object) -> None:
        """fields: of what it is said, in the log."""
        self._logger = logger
        self._fields = fields
        self._outage = Outage()

    def tell(self, error: Exception) -> None:
        """Say it, if it is time for it again."""
        if self._outage.fails(type(error).__name__):
            self._logger.error("unforeseen", exc_info=error, extra={"fields": self._fields})
