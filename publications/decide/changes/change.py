"""What every change has: where it happens, what it means for the shop and when it may run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Consequence(StrEnum):
    """What a change does to the shop, the gravest first."""

    LEAKS = "leaks"
    """A column or row starts to leave."""
    STOPS_APPLY = "stops apply"
    COPIES = "copies"
    """Data has to be moved."""
    LOCKS = "locks"
    HARMLESS = "harmless"


class Phase(IntEnum):
    """The order that never stops apply: who receives is ready before who sends."""

    ROLES = 1
    RECEIVING_TABLES = 2
    GRANTS = 3
    PUBLICATIONS = 4
    RESETS = 5
    """What a slot that is made anew must not meet."""
    SLOTS = 6
    SUBSCRIPTIONS = 7
    BACKFILLS = 8
    WITHDRAWALS = 9
    """What stops being sent or allowed goes last."""
    NARROWINGS = 10
    """An identity's column goes when no filter reads it any more."""
    SETTLEMENTS = 11
    """What must wait for the copies."""


@dataclass(frozen=True)
class Change:
    """One step on one endpoint."""

    endpoint: str

    phase = Phase.ROLES
    consequence = Consequence.HARMLESS
    drops = False
    """Takes something away: only with --allow-drop."""
