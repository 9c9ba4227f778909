"""From what SQLite holds to what a landing column takes. Pure.

SQLite keeps any value in any column; what is none of the column's type costs that value, never its row.
Text comes as bytes: it may be no UTF-8, and hold NUL, which PostgreSQL's text can't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Stored = int | float | bytes | None
Landed = int | float | str | bool | datetime | None

TRUE = frozenset({"1", "t", "true", "y", "yes", "on", "s", "sim"})
FALSE = frozenset({"0", "f", "false", "n", "no", "off", "nao", "não"})
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class UnreadValueError(ValueError):
    """A value that is none of its column's type. It says nothing of the value."""


def read_value(value: Stored, type_: str) -> Landed:
    """Turn one value into its column's type. Raise UnreadValueError, or KeyError for an unknown type."""
    return None if value is None else READERS[type_](value)


def _read_text(value: int | float | bytes) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").replace("\0", _UNKNOWN)
    return str(value)


def _read_boolean(value: int | float | bytes) -> bool:
    if not isinstance(value, bytes):
        return bool(value)
    word = _read_text(value).strip().lower()
    if word not in TRUE | FALSE:
        raise UnreadValueError
    return word in TRUE


def _read_whole(value: int | float | bytes) -> int:
    if isinstance(value, float):
        if not value.is_integer():
            raise UnreadValueError
        return int(value)
    try:
        return int(value)
    except ValueError:
        raise UnreadValueError from None


def _read_integer(value: int | float | bytes) -> int:
    return _within(_read_whole(value), 31)


def _read_bigint(value: int | float | bytes) -> int:
    return _within(_read_whole(value), 63)


def _within(number: int, bits: int) -> int:
    if not -(1 << bits) <= number < 1 << bits:
        raise UnreadValueError
    return number


def _read_float(value: int | float | bytes) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise UnreadValueError from None


def _read_naive(value: int | float | bytes) -> datetime:
    """SGP's times are naive UTC; one with an offset is turned into that."""
    found = _read_datetime(value)
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _read_aware(value: int | float | bytes) -> datetime:
    found = _read_datetime(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _read_datetime(value: int | float | bytes) -> datetime:
    if not isinstance(value, bytes):
        raise UnreadValueError
    try:
        found = datetime.fromisoformat(_read_text(value).strip())
        return found.astimezone(UTC) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise UnreadValueError from None


READERS: Mapping[str, Callable[[int | float | bytes], Landed]] = {
    "text": _read_text,
    "character varying": _read_text,
    "boolean": _read_boolean,
    "smallint": lambda value: _within(_read_whole(value), 15),
    "integer": _read_integer,
    "bigint": _read_bigint,
    "double precision": _read_float,
    "timestamp without time zone": _read_naive,
    "timestamp with time zone": _read_aware,
}
"""By the landing column's type, as PostgreSQL names it."""
