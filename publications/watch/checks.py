"""What of a look somebody should know, with how grave it is. Pure; the words are the readers' own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

from db.freshness import Cause, FreshnessState, Measurement
from db.offline import measure_offline_trust
from publications.watch.tailnet import TailnetState
from publications.watch.view import View

HOUR_S = 3600.0
LEFT_WARNING_S = 24 * HOUR_S
LEFT_CRITICAL_S = 4 * HOUR_S
ROOM_WARNING = 0.8
COMPARED_WARNING_S = 24 * HOUR_S
"""A loss that stays unseen for so long is found too late."""
LOGINS_WARNING = 1 / 3
"""With less than this of the offline bound left, somebody should know."""
KEY_WARNING_S = 14 * 24 * HOUR_S
"""With less than this of a key of the tailnet's left, somebody should make another."""
HELD_UP_S = 20.0
"""A photo may be locked for a moment, and a storage stumble: no longer."""
UNFOUND = 10
"""So many in a row are no accident: the worker probably looks into another folder."""
UNRECORDED_S = 60.0
"""The panel writes every ten seconds; for so long it may be restarted."""

GRAVE = frozenset({Cause.POLL_DIED, Cause.WINDOW_DOWN, Cause.SLOT_LOST, Cause.CHANGES_LOST})
"""Causes that do not mend themselves and get worse."""


class Level(IntEnum):
    """How grave; the numbers are the exit codes that monitoring plugins use."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class CheckKind(StrEnum):
    """What was looked at."""

    ROAD = "road"
    LOST_ROWS = "lost_rows"
    COMPARED = "compared"
    SLOT_LEFT = "slot_left"
    DISK_LEFT = "disk_left"
    ROOM = "room"
    SLOT_UNDECLARED = "slot_undeclared"
    DEAD_LETTERS = "dead_letters"
    UNREAD_VALUES = "unread_values"
    MINIATURAS_PENDING = "miniaturas_pending"
    MINIATURAS_REFUSED = "miniaturas_refused"
    MINIATURAS_STOPPED = "miniaturas_stopped"
    FILES_MISSING = "files_missing"
    CREDENCIAIS_PENDING = "credenciais_pending"
    UNSYNCED = "unsynced"
    LOGINS = "logins"
    LOGINS_REFUSED = "logins_refused"
    CREDENTIAL_KEY = "credential_key"
    RECORDING = "recording"
    RELAYED = "relayed"
    KEY_LEFT = "key_left"
    KEY_EXPIRED = "key_expired"


@dataclass(frozen=True)
class Check:
    """One result. `values` fill the readers' sentences; none of them is a row's."""

    kind: CheckKind
    subject: str
    level: Level
    values: Mapping[str, float | str | None] = field(default_factory=dict)
    cause: Cause | None = None
    state: FreshnessState | None = None


def check_view(view: View, *, elapsed_s: float = 0.0) -> list[Check]:
    """Return every result, the roads first and then the gravest."""
    measured = {name: view.measure(name, elapsed_s=elapsed_s) for name in view.subscribers}
    roads = [_check_road(name, found) for name, found in measured.items()]
    logins = [_check_logins(view, name, found) for name, found in measured.items()]
    others = [
        *_check_lost(view),
        *_check_compared(view),
        *_check_keys(view),
        *_check_left(view),
        *_check_rooms(view),
        *_check_undeclared(view),
        *_check_backlog(view),
        *_check_feed(view),
        *check_tailnet(view.tailnet),
        *(one for one in logins if one is not None),
    ]
    return [*roads, *sorted(others, key=lambda one: -one.level)]


def check_recording(silence_s: float | None) -> Check:
    """Tell whether somebody keeps the history. silence_s: since the last line; None if there is none."""
    level = Level.OK if silence_s is not None and 0 <= silence_s <= UNRECORDED_S else Level.WARNING
    return Check(CheckKind.RECORDING, "watch.measurements", level, {"seconds": silence_s})


def find_worst(checks: Iterable[Check]) -> Level:
    """Return the gravest level."""
    return max((check.level for check in checks), default=Level.UNKNOWN)


def grade(measured: Measurement) -> Level:
    """Say how grave a measurement is."""
    if measured.is_ok:
        return Level.OK
    if measured.state is FreshnessState.SILENT or GRAVE & set(measured.causes):
        return Level.CRITICAL
    return Level.WARNING


def _check_road(name: str, measured: Measurement) -> Check:
    age = measured.freshness.age_seconds
    return Check(
        CheckKind.ROAD, name, grade(measured), {"seconds": age}, cause=measured.cause, state=measured.state
    )


def _check_logins(view: View, name: str, measured: Measurement) -> Check | None:
    """Say for how long people may still log in if no further word arrives; None where it is not told."""
    bound_s = view.sights[name].max_offline_s
    if bound_s is None:
        return None
    trust = measure_offline_trust(measured.freshness.age_seconds, max_offline_h=bound_s / HOUR_S)
    limit_h = bound_s / HOUR_S
    if not trust.accepts_logins or trust.left_s is None:
        return Check(CheckKind.LOGINS_REFUSED, name, Level.CRITICAL, {"limit": limit_h})
    level = Level.OK if trust.left_s > bound_s * LOGINS_WARNING else Level.WARNING
    return Check(CheckKind.LOGINS, name, level, {"hours": trust.left_s / HOUR_S, "limit": limit_h})


def _check_keys(view: View) -> Iterable[Check]:
    """Say where nobody's password can be right: the API there and the worker hold different keys."""
    for name in view.subscribers:
        if view.sights[name].answers and view.sights[name].has_key is False:
            yield Check(CheckKind.CREDENTIAL_KEY, name, Level.CRITICAL)


def _check_lost(view: View) -> Iterable[Check]:
    for hop in view.hops:
        for table, lost in sorted(hop.lost.items()):
            values: dict[str, float | str | None] = {
                "count": lost.rows,
                "target": hop.target,
                "since": f"{lost.seen_at.astimezone():%d %b %H:%M:%S}",
            }
            yield Check(CheckKind.LOST_ROWS, table, Level.CRITICAL, values)


def _check_compared(view: View) -> Iterable[Check]:
    """Say within what time each row of a road was compared; nothing while that has not come to its end."""
    for name, one in view.subscribers.items():
        known = [hop.checked_s for hop in one.hops if hop.checked_s is not None]
        if len(known) == len(one.hops):
            level = Level.WARNING if max(known) > COMPARED_WARNING_S else Level.OK
            differing = sum(lost.rows for hop in one.hops for lost in hop.lost.values())
            yield Check(CheckKind.COMPARED, name, level, {"seconds": max(known), "count": differing})


def _check_left(view: View) -> Iterable[Check]:
    for hop in view.hops:
        slot_s, disk_s = hop.forecast.slot_left_s, hop.forecast.disk_left_s
        if slot_s is not None:
            values = {"hours": slot_s / HOUR_S, "setting": hop.forecast.killer}
            yield Check(CheckKind.SLOT_LEFT, hop.slot_name, _grade_left(slot_s), values)
        if disk_s is not None:
            yield Check(CheckKind.DISK_LEFT, hop.source, _grade_left(disk_s), {"hours": disk_s / HOUR_S})


def _grade_left(seconds: float) -> Level:
    if seconds < LEFT_CRITICAL_S:
        return Level.CRITICAL
    return Level.WARNING if seconds < LEFT_WARNING_S else Level.OK


def _check_rooms(view: View) -> Iterable[Check]:
    for endpoint, sight in view.sights.items():
        for thing, room in (sight.reading.rooms if sight.reading else {}).items():
            if room.limit and room.used >= ROOM_WARNING * room.limit:
                level = Level.CRITICAL if room.used >= room.limit else Level.WARNING
                yield Check(
                    CheckKind.ROOM, endpoint, level, {"thing": thing, "used": room.used, "limit": room.limit}
                )


def _check_undeclared(view: View) -> Iterable[Check]:
    for endpoint, slot in view.undeclared_slots:
        values: dict[str, float | str | None] = {
            "endpoint": endpoint,
            "slot_kind": slot.kind,
            "megabytes": (slot.kept_bytes or 0) // 1_000_000,
        }
        yield Check(CheckKind.SLOT_UNDECLARED, slot.name, Level.WARNING, values)


def _check_feed(view: View) -> Iterable[Check]:
    for hop in view.hops:
        if hop.feed and hop.feed.unread_values:
            count = hop.feed.unread_values
            yield Check(CheckKind.UNREAD_VALUES, hop.target, Level.OK, {"count": count})


def _check_backlog(view: View) -> Iterable[Check]:
    backlog = view.backlog
    if backlog is None:
        return
    counts = (
        (CheckKind.DEAD_LETTERS, sum(backlog.dead_letters.values()), Level.WARNING),
        (CheckKind.UNSYNCED, sum(backlog.unsynced.values()), Level.OK),
        (CheckKind.CREDENCIAIS_PENDING, backlog.credenciais_pending, Level.OK),
        (CheckKind.MINIATURAS_PENDING, backlog.miniaturas_pending, Level.OK),
    )
    for kind, count, level in counts:
        if count:
            yield Check(kind, view.window, level, {"count": count})
    if backlog.unfound >= UNFOUND:
        yield Check(CheckKind.FILES_MISSING, view.window, Level.WARNING, {"count": backlog.unfound})
    if (held := backlog.held_up) and held.age_s > HELD_UP_S:
        since = f"{held.since.astimezone():%d %b %H:%M:%S}"
        stopped: dict[str, float | str | None] = {"count": held.waiting, "since": since}
        yield Check(CheckKind.MINIATURAS_STOPPED, held.cause, Level.WARNING, stopped)
    for motivo, count in sorted(backlog.miniaturas_refused.items()):
        yield Check(CheckKind.MINIATURAS_REFUSED, motivo, Level.OK, {"count": count})


def check_tailnet(tailnet: TailnetState | None) -> Iterable[Check]:
    """Say what of the tailnet is about to end, or slow; a shop that is always relayed has no alarm of it."""
    nodes = [one for one in (tailnet.own, tailnet.peer) if one] if tailnet else []
    for node in nodes:
        left_s = node.key_left_s(datetime.now(UTC))
        if node.expired:
            yield Check(CheckKind.KEY_EXPIRED, node.name, Level.CRITICAL)
        elif left_s is not None:
            level = Level.OK if left_s > KEY_WARNING_S else Level.WARNING
            yield Check(CheckKind.KEY_LEFT, node.name, level, {"days": int(left_s / 24 / HOUR_S)})
    if tailnet and tailnet.peer and tailnet.peer.relay:
        yield Check(CheckKind.RELAYED, tailnet.peer.name, Level.OK, {"relay": tailnet.peer.relay})
