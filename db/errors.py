"""Errors that are shown to people: the fact in one line, then the next step."""

from __future__ import annotations

import os

from db.shown import show

_RAISED = "Value error, "
"""What pydantic puts before the words of a ValueError."""


class PonteError(Exception):
    """Something that the person who runs Ponte must know, and what to do about it.

    fact: one line in lower case, without a full stop; hint: the next step, or nothing.
    """

    def __init__(self, fact: str, hint: str = "") -> None:
        self.fact, self.hint = show(fact), show(hint)
        super().__init__(self.fact)

    def __str__(self) -> str:
        return f"{self.fact}\nHINT: {self.hint}" if self.hint else self.fact


class SettingsError(PonteError):
    """A setting is missing or wrong."""


def word(error: OSError) -> str:
    """Return the system's word for it, in lower case."""
    return (error.strerror or os.strerror(error.errno or 0) or type(error).__name__).lower()


def begin_low(sentence: str) -> str:
    """Return a validator's sentence begun small, behind its prefix too; names stay as typed."""
    if sentence.startswith(_RAISED):
        return _RAISED.lower() + begin_low(sentence.removeprefix(_RAISED))
    first = sentence.partition(" ")[0]
    is_name = any(letter.isupper() for letter in first[1:])
    return sentence if is_name else sentence[:1].lower() + sentence[1:]
