"""What the API counts of logins, by the names that alert rules use."""

from __future__ import annotations

from db.metrics import MetricSpec
from vps_readapi.auth.checks import Refused

LOGINS = MetricSpec("ponte_api_logins_total", "sessions given")
LOGINS_REFUSED = MetricSpec("ponte_api_logins_refused_total", "logins refused, by reason", ("reason",))

logins = LOGINS.counter()
logins_refused = LOGINS_REFUSED.counter()
for _reason in Refused:
    logins_refused.labels(_reason.value)  # an alert can't see a series rise that begins with its first case
