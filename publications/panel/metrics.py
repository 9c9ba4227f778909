"""The intranet's numbers for Prometheus: the same look as everywhere, said with names that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from db.freshness import Cause, FreshnessState, HopState, Measurement
from db.metrics import MetricSpec, Sample
from publications.panel.words import MOTIVOS
from publications.watch.hops import HopView
from publications.watch.tailnet import TailnetState
from publications.watch.view import View

HOP = ("source", "target")
STATE = MetricSpec(
    "ponte_watch_state", "1 for the state that the subscriber's data is in", ("subscriber", "state")
)
CAUSE = MetricSpec(
    "ponte_watch_cause", "1 for each cause that is known against the data", ("subscriber", "cause")
)
AGE = MetricSpec(
    "ponte_watch_age_seconds", "age of the subscriber's data; missing if unknown", ("subscriber",)
)
POLLED = MetricSpec("ponte_watch_last_poll_timestamp_seconds", "when the panel last looked")
UP = MetricSpec("ponte_endpoint_up_ratio", "1 while the database answers", ("endpoint",))
SKEW = MetricSpec("ponte_clock_skew_seconds", "SGP's clock minus the subscriber's", ("subscriber",))
ROOM = MetricSpec(
    "ponte_room_used_ratio", "share of slots, senders, origins, workers, processes", ("endpoint", "thing")
)
WAL_RATE = MetricSpec("ponte_wal_rate_bytes_per_second", "WAL that the server writes", ("endpoint",))
DISK_FREE = MetricSpec("ponte_disk_free_bytes", "free on the disk of the server's files", ("endpoint",))
DISK_LEFT = MetricSpec("ponte_disk_left_seconds", "until a held slot has filled the disk", ("endpoint",))
SLOT_ACTIVE = MetricSpec("ponte_slot_active_ratio", "1 while the slot is in use", ("endpoint", "slot"))
SLOT_LOST = MetricSpec("ponte_slot_lost_ratio", "1 where its WAL is gone, or the slot", ("endpoint", "slot"))
SLOT_RETAINED = MetricSpec("ponte_slot_retained_bytes", "WAL that the slot keeps", ("endpoint", "slot"))
SLOT_UNCONFIRMED = MetricSpec(
    "ponte_slot_unconfirmed_bytes", "WAL that the subscriber has not confirmed", ("endpoint", "slot")
)
SLOT_SAFE = MetricSpec("ponte_slot_safe_bytes", "WAL until the slot can be lost", ("endpoint", "slot"))
SLOT_LEFT = MetricSpec("ponte_slot_left_seconds", "until a held slot can be lost", ("endpoint", "slot"))
SLOT_UNDECLARED = MetricSpec(
    "ponte_slot_undeclared_bytes", "WAL that a slot keeps which nobody declared", ("endpoint", "slot")
)
BEHIND = MetricSpec("ponte_hop_behind_seconds", "how far the target is behind the source", HOP)
GAPS = MetricSpec("ponte_hop_gaps_rows", "times that changes were lost on it and not yet copied again", HOP)
LOST = MetricSpec(
    "ponte_hop_lost_rows", "rows that are missing, changed or left over at its target", (*HOP, "table")
)
PROVEN = MetricSpec(
    "ponte_hop_proven_seconds", "within which each row at its target was compared; missing if not yet", HOP
)
FEEDING = MetricSpec("ponte_feeder_running_ratio", "1 while SGP's file is read and landed, where SGP is one")
LOOK = MetricSpec("ponte_feeder_look_seconds", "how long the last look into SGP's file took")
UNREAD = MetricSpec(
    "ponte_feeder_unread_values_rows", "rows of SGP's file with values that are none of their column's type"
)
PUSHING = MetricSpec("ponte_push_running_ratio", "1 while what is pushed to it is taken", ("subscriber",))
TO_COPY = MetricSpec(
    "ponte_push_to_copy_rows", "rows of a first copy that are still to be sent", ("subscriber",)
)
ENABLED = MetricSpec("ponte_subscription_enabled_ratio", "1 while it may run", ("endpoint", "subscription"))
RUNNING = MetricSpec(
    "ponte_subscription_running_ratio",
    "1 while it applies as far as can be told",
    ("endpoint", "subscription"),
)
APPLY_ERRORS = MetricSpec(
    "ponte_subscription_apply_errors_total", "errors of its apply worker", ("endpoint", "subscription")
)
SYNC_ERRORS = MetricSpec(
    "ponte_subscription_sync_errors_total", "errors of its copies", ("endpoint", "subscription")
)
CONFLICTS = MetricSpec(
    "ponte_subscription_conflicts_total", "conflicts, from 18 on", ("endpoint", "subscription", "kind")
)
NOT_READY = MetricSpec(
    "ponte_subscription_not_ready_tables", "tables that do not follow yet", ("endpoint", "subscription")
)
MINIATURAS_PENDING = MetricSpec("ponte_miniaturas_pending_rows", "photos without a verdict")
MINIATURAS = MetricSpec("ponte_miniaturas_rows", "photos by verdict", ("estado",))
REFUSED = MetricSpec("ponte_miniaturas_refused_rows", "photos without a miniatura, by reason", ("motivo",))
UNFOUND = MetricSpec("ponte_miniaturas_unfound_rows", "newest photos, in a row, whose files are missing")
STOPPED = MetricSpec(
    "ponte_miniaturas_stopped_seconds", "since none was made although photos wait; 0 while they are made"
)
CREDENCIAIS_PENDING = MetricSpec("ponte_credenciais_pending_rows", "active users without a credencial")
UNSYNCED = MetricSpec("ponte_credenciais_unsynced_rows", "passwords that can't be carried", ("reason",))
HAS_KEY = MetricSpec(
    "ponte_credential_key_ratio",
    "1 while its API has the key that passwords are sealed with; missing if not told",
    ("subscriber",),
)
KEY_LEFT = MetricSpec(
    "ponte_tailnet_key_left_seconds", "until a node's key of the tailnet ends; missing if never", ("node",)
)
RELAYED = MetricSpec("ponte_tailnet_relayed_ratio", "1 while a relay carries what goes to a node", ("node",))
DEAD_LETTERS = MetricSpec("ponte_dead_letters_rows", "rows that can't be projected", ("landing",))
AS_APPLIED = MetricSpec(
    "ponte_publication_as_applied_ratio", "1 while what is published is what was applied", ("endpoint",)
)

ALL: tuple[MetricSpec, ...] = tuple(one for one in list(globals().values()) if isinstance(one, MetricSpec))

Polled = tuple[View, float, float]
"""A look, the Unix time of it, and the seconds since."""


class WatchCollector(Collector):
    """Hands out the last look, with its age."""

    def __init__(self, read: Callable[[], Polled | None]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Return every metric; before the first look none."""
        polled = self._read()
        return collect(*polled) if polled else ()


def render(read: Callable[[], Polled | None]) -> bytes:
    """Return the text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(WatchCollector(read))
    return generate_latest(registry)


def collect(view: View, polled_at: float, elapsed_s: float) -> Iterable[Metric]:
    """Return every metric of a look."""
    measured = {name: view.measure(name, elapsed_s=elapsed_s) for name in view.subscribers}
    yield from _collect_roads(measured)
    yield POLLED.family([((), polled_at)])
    yield SKEW.family([((name,), one.observation.skew_s) for name, one in view.subscribers.items()])
    yield from _collect_servers(view)
    yield from _collect_hops(view)
    yield from _collect_backlog(view)
    yield HAS_KEY.family(
        ((name,), float(sight.has_key))
        for name, sight in view.sights.items()
        if sight.answers and sight.has_key is not None
    )
    yield AS_APPLIED.family(_by(view.as_applied.items()))
    yield from collect_tailnet(view.tailnet)


def _collect_roads(measured: dict[str, Measurement]) -> Iterable[Metric]:
    yield STATE.family(
        ((name, state), float(found.state is state))
        for name, found in measured.items()
        for state in FreshnessState
    )
    yield CAUSE.family(
        ((name, cause), float(cause in found.causes)) for name, found in measured.items() for cause in Cause
    )
    yield AGE.family(((name,), found.freshness.age_seconds) for name, found in measured.items())


def _collect_servers(view: View) -> Iterable[Metric]:
    sights = view.sights
    readings = [(name, sight.reading) for name, sight in sights.items() if sight.answers and sight.reading]
    yield UP.family(((name,), float(sight.answers)) for name, sight in sights.items())
    yield ROOM.family(
        ((name, thing), room.used / room.limit if room.limit else None)
        for name, reading in readings
        for thing, room in reading.rooms.items()
    )
    yield DISK_FREE.family(((name,), reading.disk_free_bytes) for name, reading in readings)


def _collect_hops(view: View) -> Iterable[Metric]:
    """Return what is known now; a number of a server that is away would look like one of the present."""
    hops = view.hops
    known = [hop for hop in hops if hop.slot_known]
    replicated = [hop for hop in hops if not hop.is_fed and not hop.is_pushed]
    rates = {hop.source: hop.forecast.rate_bytes_per_s for hop in known}
    left: dict[str, float] = {}
    for hop in known:
        if (left_s := hop.forecast.disk_left_s) is not None:
            left[hop.source] = min(left_s, left.get(hop.source, left_s))
    yield WAL_RATE.family(((name,), rate) for name, rate in rates.items())
    yield DISK_LEFT.family(_by(left.items()))
    yield BEHIND.family(((hop.source, hop.target), hop.behind_s) for hop in hops)
    yield GAPS.family(((hop.source, hop.target), hop.gaps) for hop in hops)
    yield LOST.family(
        ((hop.source, hop.target, table), lost.rows) for hop in hops for table, lost in hop.lost.items()
    )
    yield PROVEN.family(((hop.source, hop.target), hop.checked_s) for hop in hops)
    yield SLOT_LEFT.family(((hop.source, hop.slot_name), hop.forecast.slot_left_s) for hop in known)
    yield from _collect_slots(known)
    yield SLOT_UNDECLARED.family(
        ((endpoint, slot.name), slot.kept_bytes or 0) for endpoint, slot in view.undeclared_slots
    )
    yield from _collect_subscriptions(view, replicated)
    yield from _collect_feed(hop for hop in hops if hop.is_fed)
    pushed = [((hop.target,), hop) for hop in hops if hop.is_pushed]
    yield PUSHING.family((labels, float(hop.state is HopState.RUNNING)) for labels, hop in pushed)
    yield TO_COPY.family((labels, hop.push.rows_left) for labels, hop in pushed if hop.push)


def _collect_feed(hops: Iterable[HopView]) -> Iterable[Metric]:
    fed = list(hops)
    there = [hop.feed for hop in fed if hop.feed]
    yield FEEDING.family(((), float(hop.state is HopState.RUNNING)) for hop in fed)
    yield LOOK.family(((), feed.took_s) for feed in there)
    yield UNREAD.family(((), feed.unread_values) for feed in there)


def _collect_slots(hops: list[HopView]) -> Iterable[Metric]:
    found = [((hop.source, hop.slot_name), hop.slot) for hop in hops]
    there = [(labels, slot) for labels, slot in found if slot]
    yield SLOT_LOST.family(((hop.source, hop.slot_name), float(hop.state is HopState.LOST)) for hop in hops)
    yield SLOT_ACTIVE.family((labels, float(slot.active)) for labels, slot in there)
    yield SLOT_RETAINED.family((labels, slot.retained_bytes) for labels, slot in there)
    yield SLOT_UNCONFIRMED.family((labels, slot.unconfirmed_bytes) for labels, slot in there)
    yield SLOT_SAFE.family((labels, slot.safe_bytes) for labels, slot in there)


def _collect_subscriptions(view: View, hops: list[HopView]) -> Iterable[Metric]:
    named = [((hop.target, hop.subscription_name), hop) for hop in hops]
    yield RUNNING.family((labels, float(hop.state.value == "running")) for labels, hop in named)
    there = [
        (labels, hop.subscription)
        for labels, hop in named
        if hop.subscription and view.sights[hop.target].answers
    ]
    yield ENABLED.family((labels, float(one.enabled)) for labels, one in there)
    yield APPLY_ERRORS.family((labels, one.apply_errors) for labels, one in there)
    yield SYNC_ERRORS.family((labels, one.sync_errors) for labels, one in there)
    yield NOT_READY.family((labels, len(one.not_ready)) for labels, one in there)
    yield CONFLICTS.family(
        ((*labels, kind), count) for labels, one in there for kind, count in one.conflicts.items()
    )


def _collect_backlog(view: View) -> Iterable[Metric]:
    backlog = view.backlog
    if backlog is None:
        return
    yield MINIATURAS_PENDING.family([((), backlog.miniaturas_pending)])
    yield CREDENCIAIS_PENDING.family([((), backlog.credenciais_pending)])
    yield MINIATURAS.family(_by(backlog.miniaturas.items()))
    yield REFUSED.family(_by({**dict.fromkeys(MOTIVOS, 0), **backlog.miniaturas_refused}.items()))
    yield UNFOUND.family([((), backlog.unfound)])
    yield STOPPED.family([((), backlog.held_up.age_s if backlog.held_up else 0.0)])
    yield UNSYNCED.family(_by(backlog.unsynced.items()))
    yield DEAD_LETTERS.family(_by(backlog.dead_letters.items()))


def collect_tailnet(tailnet: TailnetState | None) -> Iterable[Metric]:
    """Return what is known of the nodes of the tailnet."""
    now = datetime.now(UTC)
    nodes = [one for one in (tailnet.own, tailnet.peer) if one] if tailnet else []
    yield KEY_LEFT.family(((one.name,), one.key_left_s(now)) for one in nodes)
    yield RELAYED.family(((one.name,), float(bool(one.relay))) for one in nodes[1:])


def _by(counts: Iterable[tuple[str, float]]) -> Iterable[Sample]:
    return [((name,), float(count)) for name, count in counts]
