"""Go on where changes are lost for good: rows are compared, and only what differs is moved.

`ponte apply` copies whole tables over what is there instead; so does who can't reach both ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from publications.act.endpoints import Endpoints, Reading
from publications.act.perform import run_step
from publications.decide.changes.publications import CreateSlot, RenewSlot
from publications.decide.changes.rows import CloseGap, RenewVersions
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import EnableSubscription, ForgetProgress
from publications.declare.declaration import Export, Intake
from publications.declare.names import TableName
from publications.prove.fence import SlotFence
from publications.prove.heal import Healer
from publications.prove.pairs import derive_beat, derive_compared
from publications.prove.verify import Prover

FOLLOWS_S = 60.0
"""So long a subscriber may take to find its new slot; its server tries every five seconds."""
GONE = "it is gone"


@dataclass(frozen=True)
class Renewal:
    """A hop on which changes are lost. steps: what comes before the comparison, in order."""

    hop: Intake | Export
    why: str
    steps: Sequence[Step]
    notes: TableName | None
    """Where gaps are noted on the target."""


def find_renewal(reading: Reading, hop: Intake | Export) -> Renewal | None:
    """Return what begins a hop anew, or why it must be compared; None where it can go on as it stands."""
    steps = reading.plan.steps
    renewed = [step.why for step in steps if isinstance(step, RenewSlot) and _is_of(step, hop)]
    renewed += [GONE for step in steps if isinstance(step, CreateSlot) and _is_of(step, hop)]
    target = reading.live[hop.target]
    if target.gap:
        renewed.append(f"changes were lost between beats {target.gap.after_beat} and {target.gap.beat}")
    if not renewed or hop.subscription not in target.subscriptions:
        return None
    return Renewal(hop, renewed[0], [step for step in steps if _is_of(step, hop)], target.gap_notes)


def _is_of(step: Step, hop: Intake | Export) -> bool:
    match step:
        case RenewSlot(slot=slot) | CreateSlot(slot=slot):
            return (step.endpoint, slot.name) == (hop.source, hop.slot)
        case RenewVersions():
            return step.endpoint == hop.source
        case ForgetProgress(subscription=one) | EnableSubscription(subscription=one):
            return (step.endpoint, one.name) == (hop.target, hop.subscription)
        case _:
            return False


def renew(endpoints: Endpoints, renewal: Renewal, prover: Prover, healer: Healer) -> bool:
    """Begin anew and move what differs; return whether all is followed and both ends were proven equal."""
    hop = renewal.hop
    for step in renewal.steps:
        run_step(endpoints, step)
    if not SlotFence(endpoints.connections[hop.source], hop.slot).wait(FOLLOWS_S):
        return False
    compared = derive_compared(endpoints.declaration, hop)
    for one in (*compared, derive_beat(hop)):
        prover.prove(one, found=healer.heal)
    if not all(prover.prove(one).proven for one in compared):
        return False
    if renewal.notes:  # all that a note tells of was compared just now
        run_step(endpoints, CloseGap(hop.target, renewal.notes, None))
    return True
