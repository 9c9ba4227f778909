"""What a person should know although no step of a plan mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from db.errors import PonteError
from publications.decide.columns import KINDS, USUAL
from publications.decide.diff import OURS, TABLE_COPY
from publications.decide.source import SourceTables
from publications.decide.spec import EndpointSpec, StrangeSlot
from publications.declare.declaration import Declaration


class FindingError(PonteError):
    """Something is not as declared; it blocks nothing."""


def find_findings(
    declaration: Declaration, *, live: Mapping[str, EndpointSpec], source: SourceTables
) -> tuple[FindingError, ...]:
    """Return everything that stands out, in the order of the data's way."""
    return (
        *_find_unclassified(declaration, source),
        *(finding for endpoint in live.values() for finding in _find_foreign(declaration, endpoint)),
        *(finding for endpoint in live.values() for finding in _find_strange_slots(declaration, endpoint)),
        *(finding for endpoint in live.values() for finding in _find_unusual(declaration, endpoint)),
    )


def _find_unclassified(declaration: Declaration, source: SourceTables) -> Iterable[FindingError]:
    """A column that SGP got by a migration of its own: it does not leave, and somebody must say why."""
    for name, classes in declaration.privacy.items():
        known = {*classes.public, *classes.internal, *classes.secret}
        for column in source.get(name, {}):
            if column not in known:
                yield FindingError(
                    f"{declaration.intake.source}'s column {name}.{column} is not classified; it stays there",
                    f'add it to public, internal or secret in [privacy."{name}"]',
                )


def _find_unusual(declaration: Declaration, live: EndpointSpec) -> Iterable[FindingError]:
    """What no ALTER brings back while it runs."""
    ours = {hop.subscription for hop in declaration.hops}
    for one in live.unusual:
        usual = USUAL[one.catalog][one.column]
        if one.name in ours and usual.reset is None:
            yield FindingError(
                f"{KINDS[one.catalog]} {one.name} on {live.name} has {one.column} = {one.value}, not"
                f" {usual.value}: {usual.means}",
                "disable and drop it with slot_name = NONE, drop its slot, and run 'ponte apply':"
                " all is copied again",
            )


def _find_strange_slots(declaration: Declaration, live: EndpointSpec) -> Iterable[FindingError]:
    """Nothing of Ponte's reads these; whoever may replicate may make one, and it keeps WAL."""
    for slot in list_strange(live.strange_slots, at_source=live.name == declaration.intake.source):
        state = "active" if slot.active else "inactive"
        yield FindingError(
            f"{live.name} has a {slot.kind} slot that is not Ponte's, and keeps WAL: {slot.name} ({state})",
            "if nobody needs it: end its reader, if it has one, and"
            f" SELECT pg_drop_replication_slot('{slot.name}')",
        )


def list_strange(slots: Iterable[StrangeSlot], *, at_source: bool) -> list[StrangeSlot]:
    """Return those that somebody should know of: SGP may well feed a standby, and other databases."""
    return [one for one in slots if not at_source or (one.kind == "physical" and not one.active)]


def _find_foreign(declaration: Declaration, live: EndpointSpec) -> Iterable[FindingError]:
    """Objects that are not Ponte's: each may let data out or keep WAL."""
    named = {table.publication for hop in declaration.publishing for table in hop.tables}
    slots = {hop.slot for hop in declaration.hops} | {push.kept_by for push in declaration.pushes}
    subscriptions = {hop.subscription for hop in declaration.hops}
    for name, publication in sorted(live.publications.items()):
        if name not in named and not name.startswith(OURS["publication"]):
            tables = ", ".join(str(part.table) for part in publication.tables)
            yield FindingError(
                f"{live.name} has a publication that is not Ponte's: {name} ({tables or 'everything'})",
                f"if nobody needs it: DROP PUBLICATION {name}",
            )
    for name, slot in sorted(live.slots.items()):
        if name not in slots and not name.startswith(OURS["slot"]) and not TABLE_COPY.match(name):
            state = "active" if slot.active else "inactive, and keeps WAL"
            yield FindingError(
                f"{live.name} has a slot that is not Ponte's: {name} ({state})",
                f"if nobody needs it: SELECT pg_drop_replication_slot('{name}')",
            )
    for name in sorted(live.subscriptions):
        if name not in subscriptions and not name.startswith(OURS["subscription"]):
            yield FindingError(
                f"{live.name} has a subscription that is not Ponte's: {name}",
                f"if nobody needs it: DROP SUBSCRIPTION {name}",
            )
