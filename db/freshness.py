"""How fresh the VPS's data is, why, and what to do: one measurement for panel, command, metrics and headers.

It takes the heartbeat row that travels the same road as the data. Several clocks are compared, so the
longest age counts, and what isn't known is never fresh. Signs that lie (an active slot, a worker's pid,
zero bytes behind) decide nothing: they only help to name the cause. Pure; see docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

FRESH_S = 15.0
LAGGING_S = 300.0
SKEW_S = 5.0
"""Up to so much two clocks may differ; beyond, an age by both of them means nothing."""
UNANSWERED_S = 3.0
"""A database that said nothing for so long, three looks, counts as away."""
BEATLESS_S = 5.25
"""One beat in two seconds, looked at twice a second: one that is lost is not noticed, two are."""
ABSENT_S = 2.5
"""One beat is missed: enough for a worker that has no session in SGP, or that is seen waiting to write."""
WAITING_S = 1.0
"""A worker that has waited so long for somebody's lock does not beat in time."""
POLL_STALE_S = 3.5
"""Three polls missed: whoever shows a measurement that old shows nothing."""


class FreshnessState(StrEnum):
    """The three answers."""

    FRESH = "fresh"
    LAGGING = "lagging"
    SILENT = "silent"


class Cause(StrEnum):
    """Why the data is not fresh, or will soon not be; the gravest first."""

    POLL_DIED = "poll_died"
    WINDOW_DOWN = "window_down"
    SLOT_LOST = "slot_lost"
    CHANGES_LOST = "changes_lost"
    """A beat did not come, and the next one did: what was written between them is missing or too old."""
    LINK_DOWN = "link_down"
    """The VPS can't be reached on the wire; whatever answers there, even with a refusal, is none of this."""
    VPS_DOWN = "vps_down"
    """Its machine answers, and no PostgreSQL does."""
    SERVER_STARTING = "server_starting"
    DATABASE_MISSING = "database_missing"
    WATCH_REFUSED = "watch_refused"
    """A server answers, and does not let in who watches."""
    SERVER_FULL = "server_full"
    SUBSCRIPTION_MISSING = "subscription_missing"
    SUBSCRIPTION_DISABLED = "subscription_disabled"
    WORKERS_SHORT = "workers_short"
    """A subscription waits for a process that its server may not start."""
    NOTIFY_FULL = "notify_full"
    """The queue of notifications is full, and with it no change commits."""
    KEY_MISSING = "key_missing"
    """A table has no key by which replication could find its rows."""
    APPLY_BLOCKED = "apply_blocked"
    """Somebody holds a lock that apply waits for."""
    SLOT_TAKEN = "slot_taken"
    """Somebody else reads what the subscription should: a copy of its server."""
    APPLY_FAILING = "apply_failing"
    """The same error, again and again."""
    EXPORT_CUT = "export_cut"
    """A subscriber does not get through to the vitrine, which answers others, as it answers us."""
    PUSH_DEAD = "push_dead"
    """Nobody pushes."""
    PUSH_REFUSED = "push_refused"
    """The VPS does not believe who pushes: a key, a clock."""
    PUSH_REJECTED = "push_rejected"
    """The VPS does not know what is pushed."""
    PUSH_UNREACHABLE = "push_unreachable"
    PUSH_STOPPED = "push_stopped"
    """The push is there and sends nothing: what is published changed, or something else."""
    SGP_DOWN = "sgp_down"
    INTAKE_CUT = "intake_cut"
    """The vitrine does not get through to SGP's database, which answers others."""
    WORKER_DEAD = "worker_dead"
    WORKER_SHUT_OUT = "worker_shut_out"
    """The worker runs, and does not get into SGP's database."""
    SGP_IDLE = "sgp_idle"
    """The worker is there and its beats are not written."""
    FEEDER_DEAD = "feeder_dead"
    """SGP is a file, and nobody reads it."""
    FEEDER_STOPPED = "feeder_stopped"
    """The feeder is there and can't read SGP's file, or not land it."""
    CLOCK_SKEWED = "clock_skewed"
    DRIFTED = "drifted"
    """What is published or subscribed is not what was applied: changes can be lost without a word."""
    BEAT_LOST = "beat_lost"
    """Changes pass and the heartbeat does not: its row is gone."""
    COPYING = "copying"
    CATCHING_UP = "catching_up"
    """Everything runs, and is behind."""
    UNKNOWN = "unknown"


class HopState(StrEnum):
    """What one subscription does, as far as its two ends tell."""

    RUNNING = "running"
    LOST = "lost"
    CUT = "cut"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Fault:
    """A cause with what is known of it."""

    cause: Cause
    endpoint: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """What fills the readers' sentences: which slot, process, table, address; none of them is a row's."""


@dataclass(frozen=True)
class Freshness:
    """How old the data is. `as_of` and `age_seconds` are None where a clock reading is missing."""

    state: FreshnessState
    as_of: datetime | None
    """When SGP wrote the newest beat that arrived, by its own clock."""
    age_seconds: float | None


@dataclass(frozen=True)
class Arrival:
    """The VPS's heartbeat row, with the VPS's own time when it was read."""

    beat_at: datetime | None
    received_at: datetime | None
    now: datetime


@dataclass(frozen=True)
class Observation:
    """All that one look gives. Without the intranet's half, as on the VPS, its fields stay as they are."""

    arrival: Arrival | None
    unread_s: float = 0.0
    """Seconds since the VPS's row was read, by the observer's steady clock."""
    unpolled_s: float = 0.0
    """Seconds since the observer last looked at anything."""
    faults: tuple[Fault, ...] = ()
    """What servers and hops show that stands in the way."""
    sgp_answers: bool = True
    beatless_s: float | None = 0.0
    """Seconds since the last beat was written, by SGP's own clock; None where that is not known."""
    worker_connected: bool = True
    worker_elsewhere: bool = False
    """It has a session on the vitrine, so it runs."""
    worker_waits_s: float = 0.0
    """For how long the worker has waited in SGP for somebody's lock."""
    skew_s: float = 0.0
    """SGP's clock minus the VPS's."""
    drifted: bool = False
    beat_lost: bool = False
    changes_lost: bool = False
    copying: bool = False
    blind: bool = False
    """A database answers, and what is looked for there can't be read."""
    sees_intranet: bool = False


@dataclass(frozen=True)
class Measurement:
    """The whole answer: how old, and why."""

    freshness: Freshness
    causes: tuple[Cause, ...]
    """The gravest first."""
    faults: tuple[Fault, ...] = ()
    """What more is known of some of them."""

    @property
    def state(self) -> FreshnessState:
        """One of three."""
        return self.freshness.state

    @property
    def cause(self) -> Cause | None:
        """The gravest one."""
        return self.causes[0] if self.causes else None

    @property
    def is_ok(self) -> bool:
        """Tell whether OK may be said: the data is fresh and nothing is known against it."""
        return self.state is FreshnessState.FRESH and not self.causes


UNMEASURED = Freshness(FreshnessState.SILENT, None, None)


def measure_freshness(*, beat_at: datetime | None, received_at: datetime | None, now: datetime) -> Freshness:
    """Say how fresh the data is. `now` is by the clock that took `received_at`; all are aware.

    A beat that arrived before it was written proves that a clock is wrong: its age is not known, so it is
    lagging at best.
    """
    if beat_at is None or received_at is None:
        return UNMEASURED
    age = max(0.0, *((now - then).total_seconds() for then in (beat_at, received_at)))
    state = classify_age(age)
    if state is FreshnessState.FRESH and comes_from_the_future(beat_at, received_at, now):
        state = FreshnessState.LAGGING
    return Freshness(state, beat_at, age)


def comes_from_the_future(beat_at: datetime, received_at: datetime, now: datetime) -> bool:
    """Tell whether a beat was received before it was written, or after the present."""
    tolerance = timedelta(seconds=SKEW_S)
    return beat_at - received_at > tolerance or received_at - now > tolerance


def classify_age(age_seconds: float | None) -> FreshnessState:
    """Return the state for an age: fresh up to 15 s, lagging up to 5 minutes, silent beyond or unknown."""
    if age_seconds is None or not age_seconds <= LAGGING_S:
        return FreshnessState.SILENT
    return FreshnessState.FRESH if age_seconds <= FRESH_S else FreshnessState.LAGGING


def diagnose(seen: Observation) -> Measurement:
    """Measure, and name every cause.

    Where the VPS can't be reached its last row is carried on by the observer's clock: the state stays the
    one that the VPS itself tells its readers, and a cause stands beside it, so nobody says OK.
    """
    if seen.unpolled_s > POLL_STALE_S:
        return Measurement(UNMEASURED, (Cause.POLL_DIED,))
    freshness = _carry_on(seen)
    causes = tuple(sorted(set(_find_causes(seen)), key=list(Cause).index))
    if not causes and freshness.state is not FreshnessState.FRESH:
        causes = (Cause.CATCHING_UP if seen.sees_intranet and seen.arrival else Cause.UNKNOWN,)
    return Measurement(freshness, causes, seen.faults)


def _carry_on(seen: Observation) -> Freshness:
    if seen.arrival is None:
        return UNMEASURED
    passed = timedelta(seconds=seen.unread_s)
    arrival = seen.arrival
    return measure_freshness(
        beat_at=arrival.beat_at, received_at=arrival.received_at, now=arrival.now + passed
    )


def _find_causes(seen: Observation) -> Iterable[Cause]:
    yield from (fault.cause for fault in seen.faults)
    if seen.changes_lost:
        yield Cause.CHANGES_LOST
    if seen.sgp_answers:
        yield from _find_causes_in_the_heart(seen)
    if abs(seen.skew_s) > SKEW_S or _is_from_the_future(seen.arrival):
        yield Cause.CLOCK_SKEWED
    yield from _find_causes_in_what_is_sent(seen)
    if seen.blind:
        yield Cause.UNKNOWN


def _find_causes_in_what_is_sent(seen: Observation) -> Iterable[Cause]:
    if seen.drifted:
        yield Cause.DRIFTED
    if seen.beat_lost:
        yield Cause.BEAT_LOST
    if seen.copying:
        yield Cause.COPYING


def _find_causes_in_the_heart(seen: Observation) -> Iterable[Cause]:
    if not seen.worker_connected and _is_beatless(seen, ABSENT_S):
        yield Cause.WORKER_SHUT_OUT if seen.worker_elsewhere else Cause.WORKER_DEAD
    elif _is_beatless(seen, ABSENT_S if seen.worker_waits_s > WAITING_S else BEATLESS_S):
        yield Cause.SGP_IDLE


def _is_beatless(seen: Observation, longest_s: float) -> bool:
    return seen.beatless_s is None or seen.beatless_s > longest_s


def _is_from_the_future(arrival: Arrival | None) -> bool:
    return (
        arrival is not None
        and arrival.beat_at is not None
        and arrival.received_at is not None
        and comes_from_the_future(arrival.beat_at, arrival.received_at, arrival.now)
    )
