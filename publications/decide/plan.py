"""The plan: all changes on all endpoints, in the order in which they may run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from publications.decide.anew import begins_anew, diff_anew
from publications.decide.changes.change import Phase
from publications.decide.changes.publications import DropSlot, SetPublishedTables
from publications.decide.changes.pushes import DropPush
from publications.decide.changes.roles import AlterRole, RevokeGrants
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import CopyingStep, DropSubscription, SettleSubscription
from publications.decide.diff import TABLE_COPY, diff_endpoint
from publications.decide.row_moves import diff_flow
from publications.decide.spec import EndpointSpec, HopSpec


@dataclass(frozen=True)
class Plan:
    """Ordered steps; none when wanted and live agree."""

    steps: tuple[Step, ...]

    @property
    def drops(self) -> tuple[Step, ...]:
        """The steps that take something away and need --allow-drop."""
        return tuple(step for step in self.steps if step.drops)

    def without_drops(self) -> Plan:
        """Return the plan that apply runs unless it was told that it may drop."""
        return Plan(tuple(step for step in self.steps if not step.drops))


def make_plan(
    wanted: Mapping[str, EndpointSpec],
    live: Mapping[str, EndpointSpec],
    *,
    order: Sequence[str],
    hops: Sequence[HopSpec],
) -> Plan:
    """Compare each endpoint and order the steps.

    order: the endpoints' names in the order in which data passes them. Within a phase that gives, the
    source comes first; what is withdrawn is withdrawn from the far end first.
    """
    steps = diff_anew(hops, wanted, live)
    changes = (step for name in order for step in diff_endpoint(wanted[name], live[name]))
    steps += [step for step in changes if step not in steps]
    copying = {hop.source for hop in hops if _is_copying(live[hop.target], hop.subscription)}
    steps = [step for step in steps if not (step.endpoint in copying and _drops_copy_slot(step))]
    begun = [hop for hop in hops if begins_anew(hop, wanted, live)]
    anew = {(hop.source, name) for hop in begun for name in hop.publications.values()}
    steps = [_narrow_early(step, anew) for step in steps]
    steps += [step for hop in hops for step in diff_flow(hop, wanted, live)]
    steps += [step for step in dict.fromkeys(map(_settle, steps)) if step and step not in steps]
    steps = _spare_carriers(steps, live)
    return Plan(tuple(sorted(steps, key=lambda step: (step.phase, _distance(step, order)))))


def _settle(step: Step) -> Step | None:
    """Return what a step that begins a copy leaves to be done when the copy has ended."""
    if not isinstance(step, CopyingStep):
        return None
    wanted = step.subscription
    careful = wanted.while_copying.options == wanted.options
    return None if careful else SettleSubscription(step.endpoint, wanted)


def _narrow_early(step: Step, anew: Collection[tuple[str, str]]) -> Step:
    """What is copied again must come as it will be sent: what nothing takes any more would stop the copy."""
    if isinstance(step, SetPublishedTables) and (step.endpoint, step.publication.name) in anew:
        return replace(step, phase=Phase.PUBLICATIONS)
    return step


def _spare_carriers(steps: list[Step], live: Mapping[str, EndpointSpec]) -> list[Step]:
    """What carries rows until it is dropped keeps its role's rights until then: it may have to come back."""
    going = {role for step in steps for role in _find_role(step, live)}
    spared = {
        step.role.name
        for step in steps
        if isinstance(step, AlterRole) and step.was.replication and not step.role.replication
    }
    spared |= {
        live[step.endpoint].pushes[step.subscriber].role for step in steps if isinstance(step, DropPush)
    }
    both = [(step, _withdraw_late(step, going & spared)) for step in steps]
    return [late for _, late in sorted(both, key=lambda pair: pair[0] is not pair[1])]


def _find_role(step: Step, live: Mapping[str, EndpointSpec]) -> set[str]:
    """Return whom a carrier that goes logs in as."""
    match step:
        case DropSubscription(endpoint=at, name=name):
            return {value for key, value in live[at].subscriptions[name].conninfo if key == "user"}
        case DropPush(endpoint=at, subscriber=subscriber):
            return {live[at].pushes[subscriber].role}
        case _:
            return set()


def _withdraw_late(step: Step, roles: Collection[str]) -> Step:
    match step:
        case AlterRole(role=role) if role.name in roles and not role.replication:
            return replace(step, phase=Phase.WITHDRAWALS, drops=True)
        case RevokeGrants(grants=grants) if grants[0].role in roles:
            return replace(step, drops=True)
        case _:
            return step


def _is_copying(target: EndpointSpec, subscription: str) -> bool:
    known = target.subscriptions.get(subscription)
    return known is not None and bool(known.copying)


def _drops_copy_slot(step: Step) -> bool:
    """While a table is copied its slot is between workers now and then: not left over."""
    return isinstance(step, DropSlot) and TABLE_COPY.match(step.slot.name) is not None


def _distance(step: Step, order: Sequence[str]) -> int:
    place = order.index(step.endpoint)
    return -place if step.drops else place
