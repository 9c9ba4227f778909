"""How long the VPS lets people log in without word from the intranet, which alone knows who was dismissed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

MAX_OFFLINE_VARIABLE = "PONTE_AUTH_MAX_OFFLINE"
"""Hours; the API obeys it, and writes it down where the intranet's watch reads it."""
DEFAULT_MAX_OFFLINE_H = 72.0

MaxOfflineHours = Annotated[float, Field(gt=0, le=24 * 366, validation_alias=MAX_OFFLINE_VARIABLE)]


@dataclass(frozen=True)
class OfflineTrust:
    """Whether new logins are accepted, and how long that would last from now without another beat."""

    accepts_logins: bool
    max_offline_s: float
    left_s: float | None
    """None where the age of the data isn't known."""


def measure_offline_trust(age_seconds: float | None, *, max_offline_h: float) -> OfflineTrust:
    """Say whether new logins are accepted at an age of the data; an unknown age is too old."""
    limit = max_offline_h * 3600
    if age_seconds is None or not age_seconds <= limit:
        return OfflineTrust(
            accepts_logins=False, max_offline_s=limit, left_s=None if age_seconds is None else 0.0
        )
    return OfflineTrust(accepts_logins=True, max_offline_s=limit, left_s=limit - age_seconds)
