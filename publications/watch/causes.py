"""What stands in the way, from what the two ends of a hop show: the one place where it is judged. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from db.freshness import Cause, Fault, HopState
from db.unreached import Unreached
from publications.watch.beat import Beat
from publications.watch.rare import LastError
from publications.watch.reading import EndpointReading
from publications.watch.sight import Sight
from publications.watch.slots import SlotState
from publications.watch.subscription import SubscriptionState

LOCK_WAIT_S = 1.0
"""A worker that waits longer for a lock stands still."""
MESSAGE_AGE_S = 5.0
"""A connection on which nothing comes for so long, while something waits, is dead."""
TAKEN_S = 2.5
"""A slot that is read for so long while our worker gets nothing is read by another."""
COUNTED_S = 3.0
"""What a worker failed for is counted so soon after, also on a busy server."""
NOTIFY_FULL = 0.9
LATELY_S = 30.0
"""An error that was logged so long ago may be over."""
CONNECTION = "08"
"""The class of SQLSTATEs with which a connection, and not a change, fails."""
IN_USE = "55006"
"""What a worker fails with while the one before it ends; who else reads a slot is told by the slot."""

Judged = tuple[HopState, tuple[Fault, ...]]


@dataclass(frozen=True)
class HopEnds:
    """What is known now of one hop."""

    source: str
    target: str
    slot_name: str
    published: EndpointReading | None
    """None while the source does not answer."""
    received: EndpointReading | None
    subscription: SubscriptionState | None
    slot_replaced: bool = False
    fails_again: bool = False
    """Apply errors went on counting lately."""
    unserved_s: float = 0.0
    last_error: LastError | None = None

    @property
    def slot(self) -> SlotState | None:
        """Return the slot as it is now."""
        return self.published.slot(self.slot_name) if self.published else None

    @property
    def judged_s(self) -> float:
        """Return after how long a worker that fails would have failed twice, and been counted."""
        return COUNTED_S + 2 * (self.received.retry_s if self.received else 0.0)

    @property
    def error(self) -> LastError | None:
        """Return the last error, if it is of the present and says something."""
        last = self.last_error
        if last is None or last.sqlstate == IN_USE:
            return None
        return last if last.age_s < max(LATELY_S, self.unserved_s) else None


def find_server_fault(sight: Sight, *, down: Cause, silent: Cause) -> Fault | None:
    """Say why a server can't be asked. down, silent: where no PostgreSQL, or nobody at all, answers there."""
    if sight.answers:
        return None
    ways = {
        Unreached.SILENT: silent,
        Unreached.CLOSED: down,
        Unreached.STARTING: Cause.SERVER_STARTING,
        Unreached.NO_DATABASE: Cause.DATABASE_MISSING,
        Unreached.REFUSED: Cause.WATCH_REFUSED,
        Unreached.FULL: Cause.SERVER_FULL,
    }
    return Fault(ways[sight.unreached], sight.endpoint, {"said": sight.failure})


def judge_hop(ends: HopEnds, *, cut: Cause) -> Judged:
    """Say what a hop does, and what stands in its way. cut: the target does not get through to the source."""
    if ends.slot_replaced or (ends.published and (ends.slot is None or ends.slot.lost)):
        return HopState.LOST, (_explain_loss(ends),)
    if ends.received is None:
        return HopState.UNKNOWN, ()
    stopped = _find_stop(ends, ends.received)
    if stopped:
        return HopState.STOPPED, (stopped,)
    flaws = (*_find_full_queue(ends.target, ends.received), *_find_keyless(ends))
    if not _is_troubled(ends):
        return HopState.RUNNING if ends.published else HopState.UNKNOWN, flaws
    if flaws or ends.fails_again:
        return HopState.STOPPED, flaws or (_explain_failing(ends),)
    return _judge_silence(ends, cut)


def _find_stop(ends: HopEnds, received: EndpointReading) -> Fault | None:
    """Return what holds it there, whatever the source does."""
    one, where = ends.subscription, ends.target
    if one is None:
        return Fault(Cause.SUBSCRIPTION_MISSING, where)
    if not one.enabled:
        return Fault(Cause.SUBSCRIPTION_DISABLED, where, {"subscription": one.name})
    if (one.lock_wait_s or 0.0) > LOCK_WAIT_S:
        pids = ", ".join(map(str, one.blocked_by)) or "?"
        return Fault(Cause.APPLY_BLOCKED, where, {"subscription": one.name, "pid": pids})
    short = [name for name in _SETTINGS if _is_used_up(received, name)]
    if one.pid is None and short:
        return Fault(Cause.WORKERS_SHORT, where, {"setting": _SETTINGS[short[0]]})
    return None


_SETTINGS = {"workers": "max_logical_replication_workers", "processes": "max_worker_processes"}


def _is_used_up(reading: EndpointReading, name: str) -> bool:
    room = reading.rooms.get(name)
    return room is not None and room.used >= room.limit


def _find_full_queue(target: str, received: EndpointReading) -> tuple[Fault, ...]:
    """Name it also while all runs: the next change that commits there can't."""
    if received.notify_usage <= NOTIFY_FULL:
        return ()
    return (Fault(Cause.NOTIFY_FULL, target, _describe_listener(received)),)


def _describe_listener(reading: EndpointReading) -> dict[str, str]:
    held = reading.listener
    if held is None:
        return {"pid": "?", "who": "?"}
    return {
        "pid": str(held.pid),
        "who": f"{held.state} of {held.whose} in {held.database}, for {held.age_s} s",
    }


def _find_keyless(ends: HopEnds) -> tuple[Fault, ...]:
    tables = ends.subscription.keyless if ends.subscription else ()
    return (Fault(Cause.KEY_MISSING, ends.target, {"table": ", ".join(tables)}),) if tables else ()


def _is_troubled(ends: HopEnds) -> bool:
    """Tell whether nothing comes: no worker stays, or a beat waits and its connection brings no message."""
    one = ends.subscription
    if one is None or not one.is_served or ends.fails_again:
        return True
    quiet = one.message_age_s is None or one.message_age_s > MESSAGE_AGE_S
    sent = ends.published.beat if ends.published else None
    return quiet and waits(sent, ends.received.beat if ends.received else None)


def _judge_silence(ends: HopEnds, cut: Cause) -> Judged:
    """Tell apart: one that fails, one whose slot another reads, one that does not get through."""
    if ends.published is None:
        return HopState.UNKNOWN, ()
    error = ends.error
    if ends.slot and ends.slot.active and ends.unserved_s > TAKEN_S:
        address = {"slot": ends.slot_name, "address": ends.slot.reader_address}
        return HopState.STOPPED, (Fault(Cause.SLOT_TAKEN, ends.source, address),)
    if error and not error.sqlstate.startswith(CONNECTION):
        return HopState.STOPPED, (_explain_failing(ends),)
    served = ends.subscription is not None and ends.subscription.is_served
    if error or served or ends.unserved_s > ends.judged_s:
        return HopState.CUT, (Fault(cut, ends.target, {"said": _quote(error)}),)
    return HopState.CUT, (Fault(Cause.UNKNOWN, ends.target),)


def _explain_failing(ends: HopEnds) -> Fault:
    name = ends.subscription.name if ends.subscription else "?"
    error = ends.error
    told = error if error and not error.sqlstate.startswith(CONNECTION) else None
    return Fault(Cause.APPLY_FAILING, ends.target, {"subscription": name, "said": _quote(told)})


def _quote(error: LastError | None) -> str:
    """Return what the server's log says; empty where it does not tell."""
    if error is None:
        return ""
    return f"{error.said} (SQLSTATE {error.sqlstate})" if error.said else f"SQLSTATE {error.sqlstate}"


def _explain_loss(ends: HopEnds) -> Fault:
    return explain_loss(ends.source, ends.slot_name, ends.slot, replaced=ends.slot_replaced)


def explain_loss(source: str, name: str, slot: SlotState | None, *, replaced: bool = False) -> Fault:
    """Say why a slot is lost."""
    reason = slot.loss_reason if slot else "dropped"
    if replaced and slot and not slot.lost:
        reason = "replaced"
    return Fault(Cause.SLOT_LOST, source, {"slot": name, "reason": reason})


def waits(source: Beat | None, target: Beat | None) -> bool:
    """Tell whether the source has a beat that the target has not."""
    return source is not None and (target is None or source.beat > target.beat)
