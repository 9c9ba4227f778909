"""What somebody wants of memory: which order, for whom, in which coding."""

from __future__ import annotations

from dataclasses import dataclass

from vps_readapi.auth.tokens import Verified

LIST = -1
"""Stands for the whole list where an order's id may stand."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request, understood."""

    target: int
    """An order's id, or LIST."""
    token: Verified
    """Who asks; whether his session goes on is looked up for each answer."""
    coding: int
    etags: frozenset[bytes]
    """What `If-None-Match` lists; `*` among them is any."""
    max_age_s: float | None
    is_head: bool
    cors: bytes
    """Fields for the asker's origin, as they are sent."""
