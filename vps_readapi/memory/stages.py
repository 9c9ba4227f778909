"""The states of the feed, by name."""

from __future__ import annotations

from enum import Enum, Flag, auto


class Stage(Enum):
    """How far the feed is with its next answer."""

    AWAY = auto()
    """There is no connection, or one that is of no use any more."""
    IDLE = auto()
    """Nobody has asked."""
    GATHERING = auto()
    """A question is due as soon as nobody joins it any more."""
    ASKING = auto()
    """The database is asked what changed."""
    ASKING_PEOPLE = auto()
    """It has said what changed, and is asked who may read."""


ASKED = frozenset((Stage.ASKING, Stage.ASKING_PEOPLE))


class Owed(Flag):
    """What must be made good before all is known."""

    NOTHING = 0
    PEOPLE = auto()
    """Who may read has changed since it was read."""
    ORDERS = auto()
    """All was forgotten: what changed before can't be told, so the next answer is a change of every order."""
