"""Where following can't go on from where it stood, and what begins it anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from publications.decide.changes.publications import RenewSlot
from publications.decide.changes.rows import RenewVersions
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import EnableSubscription, ForgetProgress
from publications.decide.spec import EndpointSpec, HopSpec
from publications.declare.names import TableName

Endpoints = Mapping[str, EndpointSpec]


def begins_anew(hop: HopSpec, wanted: Endpoints, live: Endpoints) -> bool:
    """Tell whether changes of a hop that is there are lost for good: all of its tables are copied again."""
    known = live[hop.target].subscriptions.get(hop.subscription)
    slot = wanted[hop.target].subscriptions[hop.subscription].slot
    if known is None:
        return False
    return (
        known.slot != slot
        or slot not in live[hop.source].slots
        or _why_renewed(hop, wanted, live) is not None
        or _holds_newer(hop, live)
        or _drops_what_comes_from_elsewhere(hop, live)
    )


def diff_anew(hops: Sequence[HopSpec], wanted: Endpoints, live: Endpoints) -> list[Step]:
    """Return what must happen before the copies, in no order."""
    steps: list[Step] = []
    for hop in hops:
        subscription = wanted[hop.target].subscriptions.get(hop.subscription)
        if subscription is None:
            continue
        if _had_more(hop, live):
            steps += [ForgetProgress(hop.target, subscription), EnableSubscription(hop.target, subscription)]
        slot = live[hop.source].slots.get(subscription.slot or "")
        if slot and (why := _why_renewed(hop, wanted, live)):
            steps.append(RenewSlot(hop.source, slot, why))
    return [*steps, *_renew_versions(hops, live)]


def _why_renewed(hop: HopSpec, wanted: Endpoints, live: Endpoints) -> str | None:
    slot = live[hop.source].slots.get(wanted[hop.target].subscriptions[hop.subscription].slot or "")
    if slot is None:
        return None
    if _had_more(hop, live):
        return f"{hop.target} is ahead of it"
    return "its WAL is lost" if slot.lost else slot.misfit or None


def _had_more(hop: HopSpec, live: Endpoints) -> bool:
    """The source was put back to an earlier moment, or is a new one. The target was read first."""
    had = live[hop.target].position.received_bytes.get(hop.subscription)
    return _is_ahead(had, live[hop.source].position.wal_bytes)


def _holds_newer(hop: HopSpec, live: Endpoints) -> bool:
    """What the source writes now would be taken for old."""
    return _is_ahead(live[hop.target].position.held_versao, live[hop.source].position.given_versao)


def _drops_what_comes_from_elsewhere(hop: HopSpec, live: Endpoints) -> bool:
    """All that the window holds came from SGP: with origin = none nothing of it goes on."""
    return any((one.name, one.column) == (hop.subscription, "suborigin") for one in live[hop.target].unusual)


def _is_ahead(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one > other


def _renew_versions(hops: Sequence[HopSpec], live: Endpoints) -> Iterable[Step]:
    above: dict[str, int] = {}
    tables: dict[str, set[TableName]] = {}
    for hop in hops:
        if _holds_newer(hop, live):
            held = live[hop.target].position.held_versao or 0
            above[hop.source] = max(held, above.get(hop.source, 0))
            tables.setdefault(hop.source, set()).update(hop.publications)
    for source, held in above.items():
        yield RenewVersions(source, tuple(sorted(tables[source])), held)
