"""What the watch saw, for programs: JSON, and a monitoring plugin's line. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from db.freshness import FRESH_S, LAGGING_S, Measurement
from db.shown import dump_json, show
from publications.faces.causes import FACTS, describe_fault
from publications.faces.terminal import describe_check, describe_road
from publications.watch.checks import LEFT_CRITICAL_S, LEFT_WARNING_S, Check, CheckKind, find_worst
from publications.watch.sight import Sight
from publications.watch.view import View


def to_json(view: View, checks: Sequence[Check]) -> str:
    """Return one object.

    `level`; `subscribers` by name: state, causes, next_step, age_seconds, as_of, hops; `servers`; `backlog`;
    `as_applied`; `checks`.
    """
    shown = {
        "level": find_worst(checks).name.lower(),
        "subscribers": {name: _subscriber(view, name) for name in view.subscribers},
        "servers": {name: _server(sight) for name, sight in view.sights.items()},
        "backlog": dataclasses.asdict(view.backlog) if view.backlog else None,
        "as_applied": view.as_applied,
        "checks": [_check(check) for check in checks],
    }
    return dump_json(shown, indent=2, default=_plain)


def measurement_fields(measured: Measurement) -> dict[str, Any]:
    """Return what every face shows of a measurement."""
    return {
        "state": measured.state.value,
        "ok": measured.is_ok,
        "cause": measured.cause.value if measured.cause else None,
        "causes": [cause.value for cause in measured.causes],
        "faults": [
            {
                "cause": one.cause.value,
                "endpoint": one.endpoint,
                "detail": describe_fault(one) or None,
                **one.values,
            }
            for one in measured.faults
        ],
        "age_seconds": measured.freshness.age_seconds,
        "as_of": measured.freshness.as_of,
    }


def _subscriber(view: View, name: str) -> dict[str, Any]:
    measured = view.measure(name)
    step = FACTS[measured.cause][1] if measured.cause else None
    hops = [dataclasses.asdict(hop) for hop in view.subscribers[name].hops]
    return {**measurement_fields(measured), "next_step": step, "hops": hops}


def _server(sight: Sight) -> dict[str, Any]:
    reading = sight.reading
    rooms = {name: dataclasses.asdict(room) for name, room in reading.rooms.items()} if reading else {}
    return {
        "answers": sight.answers,
        "failure": sight.failure or None,
        "version_num": reading.version_num if reading else None,
        "wal_bytes": reading.wal_bytes if reading else None,
        "disk_free_bytes": reading.disk_free_bytes if reading else None,
        "rooms": rooms,
    }


def _check(check: Check) -> dict[str, Any]:
    fact, advice = ("", "") if check.kind is CheckKind.ROAD else describe_check(check)
    return {
        "kind": check.kind.value,
        "subject": check.subject,
        "level": check.level.name.lower(),
        "values": dict(check.values),
        "fact": fact or None,
        "advice": advice or None,
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else dict(value)  # type: ignore[call-overload]


def to_nagios(view: View, checks: Sequence[Check]) -> str:
    """Return a monitoring plugin's line: the worst, why, and performance data."""
    worst = find_worst(checks)
    roads = [f"{name}: {describe_road(view.measure(name))}" for name in view.subscribers]
    others = [describe_check(one)[0] for one in checks if one.kind is not CheckKind.ROAD and one.level]
    said = show("; ".join([*roads, *others])).replace("|", "/")  # what follows a bar is read as numbers
    return f"PONTE {worst.name} - {said} | {show(' '.join(_perfdata(view)))}"


def _perfdata(view: View) -> Iterable[str]:
    for name in view.subscribers:
        age = view.measure(name).freshness.age_seconds
        yield f"{name}_age={'U' if age is None else f'{age:.1f}s'};{FRESH_S:.0f};{LAGGING_S:.0f};0;"
    for hop in view.hops:
        if hop.is_fed:
            continue
        retained = hop.slot.retained_bytes if hop.slot and hop.slot_known else None
        yield f"{hop.slot_name}_retained={'U' if retained is None else f'{retained}B'};;;0;"
        left = [one for one in (hop.forecast.slot_left_s, hop.forecast.disk_left_s) if one is not None]
        if left:
            yield f"{hop.slot_name}_left={min(left):.0f}s;{LEFT_WARNING_S:.0f}:;{LEFT_CRITICAL_S:.0f}:;0;"
