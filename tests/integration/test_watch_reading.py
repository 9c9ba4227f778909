"""What the watch's role may see, the history that it keeps, and what one look gives on a real road."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr

from db.engines import Connection, connect
from db.freshness import Cause, Freshness, FreshnessState, Measurement
from publications import metrics
from publications.checks import CheckKind, Level, check_view, find_worst
from publications.cli import main
from publications.follower import Sight
from publications.history import read_day, read_past, read_silence_s, read_turns, thin, write_measurement
from publications.panel.page import make_page
from publications.panel.poller import Polled
from publications.report import to_json, to_nagios
from publications.slots import Forecast
from publications.watch import View, look_once
from tests.fix_clusters import PORTS
from tests.fix_road import Road
from tests.fix_watch import watch_dsns

NO_WAL = {
    f"{endpoint}_{what}": 1 for endpoint in ("sgp", "vitrine") for what in ("wal_bytes", "retained_bytes")
}


@pytest.fixture(scope="module")
def view(mended_road: Road) -> View:
    return look_once(mended_road.declaration, watch_dsns(PORTS["vps"], mended_road.servers))


@pytest.fixture
def watcher(mended_road: Road) -> Iterator[Connection]:
    """A session of the role on the vitrine, with a history of its own; what it wrote goes."""
    with connect(watch_dsns(PORTS["vps"], mended_road.servers)["vitrine"].get_secret_value()) as conn:
        yield conn
    mended_road.run("vitrine", "DELETE FROM watch.measurements")
    mended_road.run("vitrine", "DELETE FROM watch.measurements_hourly")


FORBIDDEN = {
    "sgp": [
        "SELECT * FROM public.pedidos",
        'SELECT password_hash FROM public."user"',
        'SELECT username FROM public."user"',
        "UPDATE ponte.heartbeat SET beat = 0",
        "SELECT pg_drop_replication_slot('slot_intake')",
    ],
    "vitrine": [
        "SELECT cliente FROM vitrine.pedidos",
        "SELECT filename FROM public.pedido_imagens",
        "SELECT username FROM vitrine.usuarios",
        "SELECT digest FROM vitrine.credenciais",
        "UPDATE watch.measurements SET state = 'fresh'",
        "DELETE FROM watch.measurements",
        "DELETE FROM vitrine.heartbeat",
    ],
    "vps": [
        "SELECT * FROM vitrine.pedidos",
        "SELECT digest FROM vitrine.credenciais",
        "SELECT subconninfo FROM pg_subscription",
        "ALTER SUBSCRIPTION sub_vps DISABLE",
        "UPDATE vitrine.heartbeat SET beat = 0",
    ],
}


@pytest.mark.parametrize("endpoint", FORBIDDEN)
def test_who_watches_sees_no_row_of_the_shops(mended_road: Road, endpoint: str) -> None:
    dsn = watch_dsns(PORTS["vps"], mended_road.servers)[endpoint]
    with connect(dsn.get_secret_value()) as conn:
        conn.execute("SET default_transaction_read_only = off")
        for statement in FORBIDDEN[endpoint]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement.encode())


def test_one_look_sees_the_whole_road(view: View) -> None:
    assert {name: sight.answers for name, sight in view.sights.items()} == {
        "sgp": True,
        "vitrine": True,
        "vps": True,
    }
    for hop in view.subscribers["vps"].hops:
        assert hop.slot is not None
        assert hop.subscription is not None
        assert (hop.slot.lost, hop.subscription.enabled, hop.subscription.not_ready) == (False, True, ())


def test_every_metric_that_can_have_a_value_has_one(view: View) -> None:
    families = {family.name: family for family in metrics.collect(view, 1.0, 0.0)}
    assert {name.removesuffix("_total") for name in (one.name for one in metrics.ALL)} == set(families)
    empty = {name for name, family in families.items() if not family.samples}
    unknown = {metrics.SLOT_SAFE.name, metrics.SLOT_LEFT.name, metrics.DISK_LEFT.name}
    counts = {metrics.UNSYNCED.name, metrics.DEAD_LETTERS.name, metrics.REFUSED.name, metrics.MINIATURAS.name}
    since_18 = {metrics.CONFLICTS.name.removesuffix("_total")}
    rates = {metrics.WAL_RATE.name, metrics.AS_APPLIED.name}
    assert empty <= unknown | counts | since_18 | rates


def test_json_and_a_plugins_line_say_the_same(view: View) -> None:
    checks = check_view(view)
    shown = json.loads(to_json(view, checks))
    line = to_nagios(view, checks)
    assert line.startswith(f"PONTE {shown['level'].upper()} - vps: ")
    assert "vps_age=" in line.split(" | ")[1]
    assert [hop["slot"]["name"] for hop in shown["subscribers"]["vps"]["hops"]] == ["slot_intake", "slot_vps"]


def test_what_cannot_be_projected_is_told(mended_road: Road) -> None:
    mended_road.run(
        "vitrine",
        "INSERT INTO projection.dead_letters (landing, key, sqlstate) VALUES ('public.pedidos', 1, 'X')",
    )
    seen = look_once(mended_road.declaration, watch_dsns(PORTS["vps"], mended_road.servers))
    mended_road.run("vitrine", "DELETE FROM projection.dead_letters")
    [letters] = [one for one in check_view(seen) if one.kind is CheckKind.DEAD_LETTERS]
    assert (letters.level, letters.values["count"]) == (Level.WARNING, 1)


def measured(state: str, cause: Cause | None, age: float | None, conn: Connection) -> Measurement:
    row = conn.execute("SELECT now()").fetchone()
    assert row is not None
    as_of = None if age is None else row[0] - timedelta(seconds=age)
    return Measurement(Freshness(FreshnessState(state), as_of, age), (cause,) if cause else ())


def test_the_history_tells_turns_and_the_last_known_age(watcher: Connection) -> None:
    assert read_silence_s(watcher) is None
    assert read_past(watcher, "vps").arrival is None
    for state, cause, age in (
        ("fresh", None, 1.0),
        ("fresh", None, 2.0),
        ("fresh", Cause.LINK_DOWN, 4.0),
        ("lagging", Cause.LINK_DOWN, 20.0),
        ("silent", Cause.POLL_DIED, None),
    ):
        write_measurement(watcher, "vps", measured(state, cause, age, watcher), NO_WAL)
    turns = read_turns(watcher, "vps")
    assert [(turn.state, turn.cause) for turn in turns] == [
        ("silent", Cause.POLL_DIED),
        ("lagging", Cause.LINK_DOWN),
        ("fresh", Cause.LINK_DOWN),
        ("fresh", None),
    ]
    past = read_past(watcher, "vps")
    assert past.arrival is not None
    assert past.arrival.beat_at is not None
    assert (past.arrival.now - past.arrival.beat_at).total_seconds() == pytest.approx(20)
    assert len(past.vitrine) == 5
    assert (read_silence_s(watcher) or 0) < 60
    assert read_past(watcher, "other").arrival is None


def test_a_day_is_kept_finely_and_a_year_by_the_hour(mended_road: Road, watcher: Connection) -> None:
    mended_road.run(
        "vitrine",
        "INSERT INTO watch.measurements (subscriber, measured_at, state, age_seconds, vitrine_retained_bytes)"
        " SELECT 'vps', t, CASE WHEN extract(minute FROM t) < 30 THEN 'fresh' ELSE 'lagging' END,"
        "        extract(minute FROM t), 7"
        "   FROM generate_series(now() - interval '30 hours', now(), interval '1 minute') t",
    )
    mended_road.run(
        "vitrine",
        "INSERT INTO watch.measurements_hourly VALUES ('vps', now() - interval '400 days', 1, 1, 0, 0, 1, 1)",
    )
    thin(watcher)
    thin(watcher)
    [[oldest_hours, fine]] = mended_road.run(
        "vitrine",
        "SELECT extract(epoch FROM now() - min(measured_at)) / 3600, count(*) FROM watch.measurements",
    )
    assert 24 <= float(str(oldest_hours)) <= 25
    [[hours, samples, fresh, lagging, longest]] = mended_road.run(
        "vitrine",
        "SELECT count(*), sum(samples), sum(fresh), sum(lagging), max(max_age_seconds)"
        " FROM watch.measurements_hourly",
    )
    assert int(str(samples)) + int(str(fine)) == 30 * 60 + 1
    assert 5 <= int(str(hours)) <= 7
    assert (int(str(fresh)) + int(str(lagging)), longest) == (samples, 59)
    pieces = read_day(watcher, "vps")
    assert 140 <= len(pieces) <= 146
    assert {piece.state for piece in pieces} == {FreshnessState.FRESH, FreshnessState.LAGGING}


def test_the_history_is_not_published(mended_road: Road) -> None:
    assert mended_road.run("vitrine", "SELECT 1 FROM pg_publication_tables WHERE schemaname = 'watch'") == []
    assert mended_road.read().objections == ()


def test_a_sight_that_never_was_answers_nothing() -> None:
    assert not Sight("vps").answers


def test_without_its_connections_the_command_says_which_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("PONTE_")]:
        monkeypatch.delenv(name)
    assert main(["status"]) == 2
    assert "PONTE_WATCH_SGP_DSN, PONTE_WATCH_VITRINE_DSN, PONTE_WATCH_VPS_DSN" in capsys.readouterr().err
    assert main(["status", "--nagios"]) == Level.UNKNOWN
    assert capsys.readouterr().out.startswith("PONTE UNKNOWN - not set: ")


def test_with_nothing_reachable_nothing_is_ok(mended_road: Road) -> None:
    dsns = {name: SecretStr("host=127.0.0.1 port=1 user=x dbname=x") for name in ("sgp", "vitrine", "vps")}
    seen = look_once(mended_road.declaration, dsns)
    found = seen.measure("vps")
    assert (found.state, found.cause) == (FreshnessState.SILENT, Cause.WINDOW_DOWN)
    assert {Cause.LINK_DOWN, Cause.SGP_DOWN} <= set(found.causes)
    assert find_worst(check_view(seen)) is Level.CRITICAL
    assert "age unknown" in to_nagios(seen, check_view(seen))


@pytest.mark.parametrize(("left_h", "said"), [(300, False), (5, True)])
def test_the_panel_tells_of_a_full_disk_only_when_it_is_near(view: View, left_h: float, said: bool) -> None:
    foreseen = Forecast(rate_bytes_per_s=1000.0, held=True, slot_left_s=None, disk_left_s=left_h * 3600)
    subscribers = {
        name: replace(one, export=replace(one.export, forecast=foreseen))
        for name, one in view.subscribers.items()
    }
    page = make_page(Polled(replace(view, subscribers=subscribers), time.time(), time.monotonic()))
    assert any("enche" in one for one in (*page.alarms, *page.failed)) is said
