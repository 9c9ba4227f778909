"""What the API counts of logins, by the names that alert rules use."""

from __future__ import annotations

from prometheus_client import Counter

from vps_readapi.auth.checks import Refused

LOGINS_TOTAL = "ponte_api_logins_total"
LOGINS_REFUSED_TOTAL = "ponte_api_logins_refused_total"


logins = Counter(LOGINS_TOTAL, "sessions given")
logins_refused = Counter(LOGINS_REFUSED_TOTAL, "logins refused, by reason", ["reason"])
for _reason in Refused:
    logins_refused.labels(_reason.value)  # an alert can't see a series rise that begins with its first case
