"""Times of the seed: all from one fixed instant, so that two runs write the same rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

DEFAULT_NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SHOP_ZONE = timezone(timedelta(hours=-3))  # Brasília; no summer time since 2019


def stamp(moment: datetime) -> str:
    """Write an instant as text with its UTC offset.

    Sent as text on purpose: a `timestamp` column drops the offset (naive UTC, as SGP writes it) and a
    `timestamptz` column honours it, whatever the session's TimeZone. A typed parameter would be shifted.
    """
    return moment.astimezone(UTC).isoformat()


def shop_day(moment: datetime, *, plus_days: int = 0) -> str:
    """Write the day at the shop as SGP does, YYYY-MM-DD."""
    return (moment.astimezone(SHOP_ZONE) + timedelta(days=plus_days)).strftime("%Y-%m-%d")
