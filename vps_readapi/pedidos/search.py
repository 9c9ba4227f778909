"""What a search looks for, and how an order is matched against it.

A part of three letters or more is found through an index of trigrams; folding an order's text anew takes
20 µs, so whatever that index can't decide is asked with one folding for all words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, all_, literal

from db.vps.models import FOLDED_CLIENTE, SEARCHED

MAX_WORDS = 20
MIN_INDEXED = 3
"""Letters that a word must have to be found through the index."""
_TELLING = re.compile(r"[1-9][0-9]{4}")
"""A number that few orders have: beside it the index need not look for the words that many have."""
_SPECIAL = re.compile(r"[\\%_]")


def fold(given: str) -> str:
    """Take accents, however composed, and case away, as `guard.fold` does."""
    parts = unicodedata.normalize("NFKD", given)
    return "".join(one for one in parts if not "\u0300" <= one <= "\u036f").lower()


def read_words(given: str) -> list[str]:
    """Return the words of a search, folded, without those that another contains; the longest first."""
    kept: list[str] = []
    for word in sorted(set(fold(given).split()), key=lambda one: (-len(one), one)):
        if not any(word in longer for longer in kept):
            kept.append(word)
    return kept


def match_words(words: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return the conditions under which all words, folded already, stand in an order's text."""
    indexed = [word for word in words if len(word) >= MIN_INDEXED]
    indexed = [word for word in indexed if _TELLING.search(word)] or indexed
    rest = [word for word in words if word not in indexed]
    found = [contains(SEARCHED, word) for word in indexed]
    if rest:
        patterns = ["%" + _SPECIAL.sub(r"\\\g<0>", word) + "%" for word in rest]
        found.append(SEARCHED.like(all_(literal(patterns, ARRAY(Text)))))
    return found


def match_cliente(part: str) -> list[ColumnElement[bool]]:
    """Return the conditions under which a part, folded already, stands in whom an order is for."""
    indexed = [contains(SEARCHED, part)] if len(part) >= MIN_INDEXED else []
    return [*indexed, contains(FOLDED_CLIENTE, part)]


def contains(folded: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Match a part, folded already, of a folded text; it is no pattern."""
    return folded.contains(part, autoescape=True)
