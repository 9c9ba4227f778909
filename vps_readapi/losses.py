"""Says why a connection to the database is lost: once, then at growing distance, and when it is back."""

from __future__ import annotations

import logging
import threading

from db.logs import log_event
from db.outage import Outage
from db.unforeseen import Unforeseen
from db.unreached import explain_failure

log = logging.getLogger(__name__)


class Losses:
    """What is said of a connection that comes and goes; to find a reason takes time, and holds nobody up."""

    def __init__(self, connection: str, conninfo: str, *, source: str) -> None:
        """connection: its name in the log; source: the variable that holds the connection string."""
        self._connection = connection
        self._conninfo = conninfo
        self._source = source
        self._outage = Outage()
        self._unforeseen = Unforeseen(log, connection=connection)

    def lost(self, error: Exception) -> None:
        """Note that it was lost, or could not be had."""
        if self._outage.fails((type(error).__name__, str(error))):
            failures = self._outage.failures
            threading.Thread(target=self._tell, args=(error, failures), name="losses", daemon=True).start()

    def tripped(self, error: Exception) -> None:
        """Note what nobody foresaw, which the database may have no part in."""
        self._unforeseen.tell(error)

    def back(self) -> None:
        """Note that it is there."""
        lasted_s = self._outage.works()
        if lasted_s is not None:
            log_event(log, "database_back", connection=self._connection, after_s=round(lasted_s, 1))

    def _tell(self, error: Exception, failures: int) -> None:
        told = explain_failure(error, self._conninfo, name="vps", source=self._source)
        fields = {"connection": self._connection, "fact": told.fact, "hint": told.hint, "failures": failures}
        log_event(log, "database_lost", level=logging.WARNING, **fields)
