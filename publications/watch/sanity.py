"""What a server said, believed only where it can be: of its type, finite, and no longer than is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field, TypeAdapter

from publications.watch.rare import LastError
from publications.watch.reading import EndpointReading

MOST_THINGS = 10_000
MOST_LETTERS = 10_000
SAID_LETTERS = 500
_LARGEST = 2**63
_READING = TypeAdapter(EndpointReading)
_LAST_ERROR = TypeAdapter(LastError)
_SECONDS = TypeAdapter(Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)])
_COUNT = TypeAdapter(Annotated[int, Field(ge=0, lt=_LARGEST)])
_FLAG = TypeAdapter(bool)


def check_reading(reading: EndpointReading) -> EndpointReading:
    """Return it with each value of its type. Raise ValueError, TypeError for what can't be."""
    told = asdict(reading)
    _check(told)
    return _READING.validate_python(told)


def check_last_error(found: LastError | None) -> LastError | None:
    """Return it with no more words than somebody reads. Raise ValueError."""
    if found is None:
        return None
    known = _LAST_ERROR.validate_python(asdict(found))
    _check(known.age_s)
    said = None if known.said is None else known.said[:SAID_LETTERS]
    return LastError(known.age_s, known.sqlstate[:5], said)


def check_seconds(found: float | None) -> float | None:
    """Return a length of time. Raise ValueError."""
    return None if found is None else _SECONDS.validate_python(found)


def check_count(found: int | None) -> int | None:
    """Return a number of things. Raise ValueError."""
    return None if found is None else _COUNT.validate_python(found)


def check_flag(found: bool | None) -> bool | None:
    """Return yes or no. Raise ValueError."""
    return None if found is None else _FLAG.validate_python(found)


def _check(value: object) -> None:
    match value:
        case str():
            _require(len(value) <= MOST_LETTERS)
        case datetime():
            _require(value.tzinfo is not None)
        case int() | float():
            _require(math.isfinite(value) and abs(value) <= _LARGEST)
        case Mapping():
            _check_all([*value.keys(), *value.values()])
        case list() | tuple():
            _check_all(value)


def _check_all(values: Iterable[object]) -> None:
    for number, one in enumerate(values):
        _require(number < MOST_THINGS)
        _check(one)


def _require(can_be: bool) -> None:
    if not can_be:
        raise ValueError("what can't be")
