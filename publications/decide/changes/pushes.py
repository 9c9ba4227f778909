"""What can differ of what is pushed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Consequence, Phase
from publications.decide.spec import PushSpec


@dataclass(frozen=True)
class SetPush(Change):
    """Let `ponte push` read a slot and send what it lets out, all rows first."""

    push: PushSpec
    phase = Phase.SUBSCRIPTIONS
    consequence = Consequence.COPIES


@dataclass(frozen=True)
class DropPush(Change):
    """Push nothing to a subscriber any more."""

    subscriber: str
    phase = Phase.WITHDRAWALS
    consequence = Consequence.STOPS_APPLY
    drops = True


PushStep = SetPush | DropPush
