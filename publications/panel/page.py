"""From the last look to what the page shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from db.freshness import Cause, FreshnessState, HopState, Measurement
from publications.panel.chart import Chart, draw
from publications.panel.poller import Polled
from publications.panel.words import (
    FORECASTS,
    NOT_COMPARED,
    NOTES,
    OF_A_ROAD,
    WAITING,
    say_age,
    say_causes,
    say_check,
    say_duration,
    say_headline,
    say_hop,
    say_size,
    say_turn,
)
from publications.watch.checks import Check, CheckKind, Level, check_view
from publications.watch.history import Turn
from publications.watch.hops import HopView
from publications.watch.view import View

ALL_BUT = 0.99
"""Less than this of the day measured is said."""


@dataclass(frozen=True)
class Stop:
    """One station of the road, and the stretch that leads to it."""

    name: str
    answers: bool
    stretch: str = ""
    stretch_runs: bool = True


@dataclass(frozen=True)
class Event:
    """One change of state."""

    at: datetime
    text: str
    tone: str


@dataclass(frozen=True)
class Road:
    """All that is shown of one subscriber."""

    name: str
    tone: str
    """ok, warning or bad: the colour, never alone."""
    title: str
    last_sync: str
    reasons: tuple[tuple[str, str], ...]
    as_of: datetime | None
    stops: tuple[Stop, ...]
    chart: Chart
    chart_text: str
    waiting: tuple[str, ...]
    logins: str
    """For how long people may log in without word; empty where the VPS does not tell."""
    compared: str
    """When all rows were last compared, and how many differed."""
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Page:
    """The whole page."""

    roads: tuple[Road, ...]
    alarms: tuple[str, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]
    """What of the tailnet is worth a line."""
    elapsed: str
    is_dead: bool


def make_page(polled: Polled) -> Page:
    """Make the page of a look, as old as it is now."""
    view, elapsed_s = polled.view, polled.elapsed_s
    checks = [one for one in check_view(view, elapsed_s=elapsed_s) if one.kind is not CheckKind.ROAD]
    waiting = tuple(say_check(one) for one in checks if one.kind in WAITING)
    measured = {name: view.measure(name, elapsed_s=elapsed_s) for name in view.subscribers}
    return Page(
        roads=tuple(
            _make_road(polled, name, found, waiting=waiting, checks=checks)
            for name, found in measured.items()
        ),
        alarms=tuple(say_check(one) for one in checks if one.level is not Level.OK),
        failed=tuple(
            say_check(one)
            for one in checks
            if one.level is Level.OK and one.kind not in WAITING | FORECASTS | NOTES | OF_A_ROAD
        ),
        notes=tuple(say_check(one) for one in checks if one.level is Level.OK and one.kind in NOTES),
        elapsed=say_age(elapsed_s),
        is_dead=any(Cause.POLL_DIED in found.causes for found in measured.values()),
    )


def _find_of_road(checks: Sequence[Check], name: str, kind: CheckKind) -> str:
    """Return what is said with the road; what is an alarm stands there."""
    return next(
        (
            say_check(one)
            for one in checks
            if one.kind is kind and one.level is Level.OK and one.subject == name
        ),
        "",
    )


def _make_road(
    polled: Polled, name: str, measured: Measurement, *, waiting: Sequence[str], checks: Sequence[Check]
) -> Road:
    title, last_sync = say_headline(measured)
    chart = draw(polled.day.get(name, ()), now=datetime.now(UTC))
    as_of = measured.freshness.as_of
    return Road(
        name=name,
        tone=_tone(measured.state, ok=measured.is_ok),
        title=title,
        last_sync=last_sync,
        reasons=say_causes(measured),
        as_of=as_of.astimezone() if as_of else None,
        stops=_make_stops(polled.view, name),
        chart=chart,
        chart_text=_describe_chart(chart),
        waiting=(_describe_queue(polled.view.subscribers[name].export), *waiting),
        logins=_find_of_road(checks, name, CheckKind.LOGINS),
        compared=_find_of_road(checks, name, CheckKind.COMPARED) or NOT_COMPARED,
        events=tuple(_make_event(turn) for turn in polled.turns.get(name, ())),
    )


def _tone(state: FreshnessState, *, ok: bool) -> str:
    if ok:
        return "ok"
    return "bad" if state is FreshnessState.SILENT else "warning"


def _make_stops(view: View, name: str) -> tuple[Stop, ...]:
    intake, export = view.subscribers[name].hops
    return (
        Stop("SGP", view.sights[view.source].answers),
        _make_stop("Vitrine", view.sights[view.window].answers, intake),
        _make_stop("VPS" if len(view.subscribers) == 1 else name, view.sights[name].answers, export),
    )


def _make_stop(name: str, answers: bool, hop: HopView) -> Stop:
    return Stop(name, answers, say_hop(hop), stretch_runs=hop.state is HopState.RUNNING)


def _describe_queue(export: HopView) -> str:
    if not export.slot_known:
        return "Não se sabe agora quantas mudanças esperam a VPS"
    if export.slot is None or export.slot.retained_bytes is None:
        return "A fila de mudanças para a VPS não existe mais"
    unconfirmed = export.slot.unconfirmed_bytes
    text = f"{say_size(unconfirmed)} de mudanças ainda não confirmadas pela VPS"
    if unconfirmed == 0:
        text = "Nenhuma mudança espera a VPS"
    left_s = export.forecast.slot_left_s
    return text if left_s is None else f"{text}; cabem mais {say_duration(left_s)} no ritmo atual"


def _describe_chart(chart: Chart) -> str:
    if chart.fresh_share is None:
        return "Ainda não há medidas das últimas 24 horas."
    longest = "em algum momento não se soube a idade" if chart.unknown else "maior atraso desconhecido"
    if not chart.unknown and chart.longest_s is not None:
        longest = f"maior atraso: {say_duration(chart.longest_s)}"
    gap = f" Sem medida em {1 - chart.measured_share:.0%} do dia." if chart.measured_share < ALL_BUT else ""
    return f"Em dia em {chart.fresh_share:.0%} do tempo medido; {longest}.{gap}"


def _make_event(turn: Turn) -> Event:
    ok = turn.state is FreshnessState.FRESH and turn.cause is None
    return Event(turn.at.astimezone(), say_turn(turn.state, turn.cause), _tone(turn.state, ok=ok))
