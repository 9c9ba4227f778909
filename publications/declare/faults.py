"""What is wrong in a declaration, by its line, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, ValidationError

from db.errors import SettingsError, begin_low
from publications.declare.locate import find_line


class DeclarationError(SettingsError):
    """The declaration can't be read or contradicts itself."""


def explain_fault(
    error: ValidationError, text: str, origin: str, *, model: type[BaseModel]
) -> DeclarationError:
    """Name the line of one fault, what is wrong there and what was probably meant.

    An unknown key goes first: what is missing is most often that one, misspelt.
    """
    first = min(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    path = first["loc"]
    line = find_line(text, path)
    where = f"{origin}, line {line}" if line else origin
    place = ".".join(map(str, path))
    others = error.error_count() - 1
    more = f" ({others} more {'fault' if others == 1 else 'faults'})" if others else ""
    if first["type"] == "extra_forbidden":
        return DeclarationError(f"{where}: unknown key {place}{more}", _guess(str(path[-1]), model))
    return DeclarationError(f"{where}: {place}: {begin_low(first['msg'])}{more}", "mend that line")


def _guess(key: str, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(key, sorted(set(_keys(model))), n=1)
    return (
        f"did you mean '{close[0]}'?" if close else "take it out; 'ponte schema' prints what may stand there"
    )


def _keys(part: object) -> Iterator[str]:
    """Give every key that may stand in a model, and in the models that it holds."""
    if isinstance(part, type) and issubclass(part, BaseModel):
        for name, field in part.model_fields.items():
            yield name
            yield from _keys(field.annotation)
    for inner in get_args(part):
        yield from _keys(inner)
