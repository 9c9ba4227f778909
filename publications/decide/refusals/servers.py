"""Servers that are too old, not set up, full, or of another alphabet. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from publications.decide.facts import MIN_VERSION, EndpointFacts
from publications.decide.refusals.situation import Situation
from publications.decide.spec import Room
from publications.decide.wire import WIRE_HINT, find_wire_fault
from publications.declare.declaration import Export, Intake
from publications.declare.privacy import RefusalError


class ServerTooOldError(RefusalError):
    """Column lists and row filters came with PostgreSQL 15."""


class ServerSettingError(RefusalError):
    """The server is not set up for logical replication, or is full."""


class WireError(RefusalError):
    """A connection that leaves the machine, and has nothing that keeps others out."""


class EncodingError(RefusalError):
    """A database whose encoding lacks letters, or does not know which they are."""


def check_versions(seen: Situation) -> Iterable[RefusalError]:
    """Refuse servers that can't filter what they send."""
    for endpoint, facts in seen.facts.items():
        if facts.version_num < MIN_VERSION:
            yield ServerTooOldError(
                f"{endpoint} runs PostgreSQL {facts.version_num // 10000}, 15 or newer is needed",
                "upgrade that server first",
            )


def check_wires(seen: Situation) -> Iterable[RefusalError]:
    """Refuse a connection that others can hear, or stand in for, once it leaves its machine."""
    for hop in seen.declaration.hops:
        told = {**seen.conninfos.get(hop.subscription, {}), **hop.connection}
        if fault := find_wire_fault(told, tailnet=hop.trusts_tailnet):
            yield WireError(f"{hop.subscription} leaves {hop.target}'s machine {fault}", WIRE_HINT)


def check_encodings(seen: Situation) -> Iterable[RefusalError]:
    """SGP's may be any that the server translates on the way; what it brings must fit on our side."""
    for endpoint, facts in seen.facts.items():
        if endpoint == seen.declaration.intake.source:
            if facts.encoding == "SQL_ASCII":
                yield EncodingError(
                    f"{endpoint} has the encoding SQL_ASCII: a byte that is no UTF-8 would stop apply",
                    "dump it and load it into a database made with ENCODING 'UTF8' TEMPLATE template0",
                )
        elif facts.encoding != "UTF8":
            yield EncodingError(
                f"{endpoint} has the encoding {facts.encoding}, which can't hold every letter",
                "make it anew with ENCODING 'UTF8' TEMPLATE template0, then run 'ponte migrate'",
            )


def check_room(seen: Situation) -> Iterable[RefusalError]:
    """Refuse servers that are not set up for what is to be made, or have no room for it."""
    for endpoint, facts in seen.facts.items():
        if facts.assumed:
            continue
        out = [hop for hop in seen.declaration.hops if hop.source == endpoint]
        into = [hop for hop in seen.declaration.hops if hop.target == endpoint]
        if out and facts.wal_level != "logical":
            yield ServerSettingError(
                f"{endpoint} has wal_level = {facts.wal_level}", "set it to logical and restart that server"
            )
        new_slots = [hop for hop in out if hop.slot not in seen.live[endpoint].slots]
        new_subscriptions = [hop for hop in into if hop.subscription not in seen.live[endpoint].subscriptions]
        yield from _room(endpoint, "max_replication_slots", facts.slots, _needs(new_slots))
        yield from _room(endpoint, "max_wal_senders", facts.senders, _needs(new_slots))
        if into:
            yield from _check_workers(endpoint, facts, _needs(new_subscriptions))
        yield from _room(endpoint, "replication origins", facts.origins, _needs(new_subscriptions))


def _check_workers(endpoint: str, facts: EndpointFacts, needed: int) -> Iterable[RefusalError]:
    """Each subscription counts as in use whether it has its process or not: without one it stands still."""
    rooms = {"max_logical_replication_workers": facts.workers, "max_worker_processes": facts.processes}
    for name, room in rooms.items():
        yield from _room(endpoint, name, room, needed)
        if not needed and room.used > room.limit:
            yield ServerSettingError(
                f"{endpoint} has {name} = {room.limit}, and {room.used} are needed: nothing follows without",
                f"set {name} to {room.used + 1} or more and restart that server",
            )
    if facts.sync_workers == 0:
        yield ServerSettingError(
            f"{endpoint} has max_sync_workers_per_subscription = 0: no table is ever copied",
            "set it to 2 and reload that server",
        )


def _needs(hops: list[Intake | Export]) -> int:
    """One for each hop, and one for the copy of a table, which comes and goes."""
    return len(hops) + 1 if hops else 0


def _room(endpoint: str, what: str, room: Room, needed: int) -> Iterable[RefusalError]:
    if needed and room.used + needed > room.limit:
        yield ServerSettingError(
            f"{endpoint} has {room.limit} {what}, {room.used} in use, and {needed} more are needed",
            f"raise {what} and restart that server, or free some",
        )
