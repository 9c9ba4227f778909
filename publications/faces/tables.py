"""The hops and the servers as tables, for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from db.shown import show
from publications.watch.hops import HopView
from publications.watch.slots import Forecast, SlotState
from publications.watch.view import View


def hops_table(view: View) -> Table:
    """Return a line for each hop."""
    columns = (
        "hop",
        "state",
        "behind",
        "received",
        "applied",
        "unconfirmed",
        "retained",
        "wal",
        "safe",
        "rate",
        "left",
        "errors",
    )
    table = _table(columns)
    for hop in view.hops:
        slot = hop.slot
        table.add_row(
            f"{hop.source}->{hop.target}",
            f"{hop.state.value}{_idle(slot)}",
            show_duration(hop.behind_s),
            _position(hop.subscription.received_bytes if hop.subscription else None),
            _position(hop.subscription.applied_bytes if hop.subscription else None),
            _size(slot.unconfirmed_bytes if slot else None),
            _size(slot.retained_bytes if slot else None),
            _wal_status(hop),
            _size(slot.safe_bytes if slot else None),
            _rate(hop.forecast),
            _left(hop.forecast),
            _errors(hop),
        )
    return table


def servers_table(view: View) -> Table:
    """Return a line for each server."""
    table = _table(("server", "answers", "version", "slots", "senders", "origins", "workers", "disk free"))
    for name, sight in view.sights.items():
        reading = sight.reading
        rooms = reading.rooms if reading else {}
        table.add_row(
            name,
            "yes" if sight.answers else "NO",
            str(reading.version_num // 10000) if reading else "?",
            *(
                f"{rooms[thing].used}/{rooms[thing].limit}" if thing in rooms else "?"
                for thing in ("slots", "senders", "origins", "workers")
            ),
            _size(reading.disk_free_bytes if reading else None),
        )
    return table


def _table(columns: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _idle(slot: SlotState | None) -> str:
    if slot is None or slot.active:
        return ""
    since = slot.inactive_since
    return ", slot inactive" + (f" since {since.astimezone():%d %b %H:%M}" if since else "")


def _errors(hop: HopView) -> str:
    one = hop.subscription
    if one is None:
        return _push_errors(hop) if hop.is_pushed else _feed_errors(hop) if hop.is_fed else "?"
    parts = [
        f"{one.apply_errors} apply" if one.apply_errors else "",
        f"{one.sync_errors} copy" if one.sync_errors else "",
        f"{sum(one.conflicts.values())} conflicts" if any(one.conflicts.values()) else "",
        f"{lost} rows lost" if (lost := sum(found.rows for found in hop.lost.values())) else "",
        f"{len(one.not_ready)} tables not ready" if one.not_ready else "",
        "waits for a lock" if one.lock_wait_s is not None else "",
        "" if one.enabled else "disabled",
    ]
    return ", ".join(part for part in parts if part) or "none"


def _push_errors(hop: HopView) -> str:
    push = hop.push
    if push is None:
        return "?"
    if push.rows_to_copy is not None:
        return f"first copy: {push.rows_copied or 0} of {push.rows_to_copy} rows"
    return "none" if push.fault_kind is None else "stopped"


def _feed_errors(hop: HopView) -> str:
    if hop.feed is None:
        return "?"
    return "none" if hop.feed.fault is None else "stopped"


def _wal_status(hop: HopView) -> str:
    if hop.is_fed:
        return "-"
    if hop.slot is None:
        return "missing" if hop.slot_known else "?"
    return show(hop.slot.invalidation_reason or hop.slot.wal_status or "?")


def _rate(given: Forecast) -> str:
    return "?" if given.rate_bytes_per_s is None else f"{_size(round(given.rate_bytes_per_s))}/s"


def _left(given: Forecast) -> str:
    known = [
        (left_s, of)
        for left_s, of in ((given.slot_left_s, given.killer or "slot"), (given.disk_left_s, "disk"))
        if left_s is not None
    ]
    if not known:
        return "-"
    left_s, of = min(known)
    return f"{left_s / 3600:.1f} h ({of})"


def _position(wal_bytes: int | None) -> str:
    """Return a position in the WAL as PostgreSQL writes it."""
    return "-" if wal_bytes is None else f"{wal_bytes >> 32:X}/{wal_bytes & 0xFFFFFFFF:X}"


def show_duration(seconds: float | None) -> str:
    """Return a length of time, rounded as one reads it."""
    if seconds is None:
        return "?"
    if seconds < 120:  # noqa: PLR2004  # two of the next unit read better
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004


def _size(n_bytes: int | None) -> str:
    if n_bytes is None:
        return "-"
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if abs(size) < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
