"""A subscription as its target shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import TupleRow


@dataclass(frozen=True)
class SubscriptionState:
    """One subscription as its target shows it."""

    endpoint: str
    name: str
    enabled: bool
    pid: int | None
    received_bytes: int | None
    """Up to where in the source's WAL it has received; None while its worker is down."""
    applied_bytes: int | None
    message_age_s: float | None
    apply_errors: int
    sync_errors: int
    conflicts: Mapping[str, int]
    """By kind, from 18 on."""
    not_ready: tuple[str, ...]
    lock_wait_s: float | None
    blocked_by: tuple[int, ...] = ()
    publications: tuple[str, ...] = ()
    tables_followed: int = 0
    keyless: tuple[str, ...] = ()
    """Its tables whose rows replication can't find."""

    @property
    def is_served(self) -> bool:
        """Tell whether its worker ever got anything: one that has just begun shows a message's time too."""
        return self.pid is not None and self.received_bytes is not None


def make_subscription(endpoint: str, row: TupleRow) -> SubscriptionState:
    """Read one row of the block `subscriptions`."""
    (
        name,
        enabled,
        pid,
        received_bytes,
        applied_bytes,
        message_age_s,
        counts,
        not_ready,
        lock_wait_s,
        blocked_by,
        publications,
        tables_followed,
        keyless,
    ) = row
    return SubscriptionState(
        endpoint=endpoint,
        name=name,
        enabled=enabled,
        pid=pid,
        received_bytes=received_bytes,
        applied_bytes=applied_bytes,
        message_age_s=message_age_s,
        apply_errors=counts.get("apply_error_count", 0),
        # 19 names it by tables
        sync_errors=counts.get("sync_error_count", counts.get("sync_table_error_count", 0)),
        conflicts={key.removeprefix("confl_"): counts[key] for key in counts if key.startswith("confl_")},
        not_ready=tuple(not_ready),
        lock_wait_s=lock_wait_s,
        blocked_by=tuple(blocked_by or ()),
        publications=tuple(publications),
        tables_followed=tables_followed,
        keyless=tuple(keyless),
    )
