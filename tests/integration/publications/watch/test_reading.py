"""What the watch's role may see, the history that it keeps, and what one look gives on a real road."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from rich.console import Console

from db.engines import Connection, connect
from db.errors import SettingsError
from db.freshness import Cause, Freshness, FreshnessState, HopState, Measurement
from publications.cli import main
from publications.commands.watch import show
from publications.declare.declaration import STARTING_PATH
from publications.faces.machine import to_json, to_nagios
from publications.faces.tables import hops_table
from publications.faces.terminal import to_renderable
from publications.panel import metrics
from publications.panel.page import make_page
from publications.panel.poller import Polled
from publications.settings import read_watch_dsns
from publications.watch.checks import CheckKind, Level, check_recording, check_view, find_worst
from publications.watch.connection import open_link
from publications.watch.history import (
    read_day,
    read_past,
    read_silence_s,
    read_turns,
    thin,
    write_measurement,
)
from publications.watch.link_settings import LinkSettings
from publications.watch.road import look_once
from publications.watch.sight import Sight
from publications.watch.slots import Forecast
from publications.watch.tailnet import parse_status
from publications.watch.view import View
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
        'SELECT password_plain FROM public."user"',
        'SELECT created_at FROM public."user"',
        "SELECT obs_pagamento FROM public.pedidos",
        "SELECT token FROM public.revoked_tokens",
        "UPDATE ponte.heartbeat SET beat = 0",
        "SELECT pg_drop_replication_slot('slot_intake')",
    ],
    "vitrine": [
        "SELECT digest FROM vitrine.credenciais",
        "SELECT salt FROM vitrine.credenciais",
        "SELECT key FROM projection.dead_letters",
        "SELECT key FROM projection.quarantine",
        "SELECT imagem_id FROM worker.photos",
        "UPDATE vitrine.pedidos SET cliente = ''",
        "UPDATE watch.measurements SET state = 'fresh'",
        "DELETE FROM watch.measurements",
        "DELETE FROM vitrine.heartbeat",
    ],
    "vps": [
        "SELECT * FROM vitrine.pedidos",
        "SELECT digest FROM vitrine.credenciais",
        "SELECT key FROM guard.quarantine",
        "SELECT marks FROM auth.key_marks",
        "SELECT auth.tell_key_marks(ARRAY['a'::bytea])",
        "SELECT chave FROM guard.mudancas",
        "SELECT subconninfo FROM pg_subscription",
        "ALTER SUBSCRIPTION sub_vps DISABLE",
        "UPDATE vitrine.heartbeat SET beat = 0",
    ],
}


@pytest.mark.parametrize("endpoint", FORBIDDEN)
def test_who_watches_reads_what_travels_and_nothing_else(mended_road: Road, endpoint: str) -> None:
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
    counts = {
        metrics.LOST.name,
        metrics.UNSYNCED.name,
        metrics.DEAD_LETTERS.name,
        metrics.REFUSED.name,
        metrics.MINIATURAS.name,
    }
    since_18 = {metrics.CONFLICTS.name.removesuffix("_total")}
    rates = {metrics.WAL_RATE.name, metrics.AS_APPLIED.name}
    nobody_here = {
        metrics.KEY_LEFT.name,
        metrics.RELAYED.name,
        metrics.HAS_KEY.name,
        metrics.SLOT_UNDECLARED.name,
    }
    no_feeder_here = {metrics.FEEDING.name, metrics.LOOK.name, metrics.UNREAD.name}
    no_push_here = {metrics.PUSHING.name, metrics.TO_COPY.name}
    assert empty <= unknown | counts | since_18 | rates | nobody_here | no_feeder_here | no_push_here


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


def test_what_a_wrong_clock_dated_into_the_future_hides_nothing(
    mended_road: Road, watcher: Connection
) -> None:
    mended_road.run(
        "vitrine",
        "INSERT INTO watch.measurements (subscriber, measured_at, state, cause, as_of, age_seconds)"
        " VALUES ('vps', now() + interval '4 years', 'fresh', NULL, now() + interval '4 years', 1),"
        "        ('vps', now() - interval '3 hours', 'lagging', 'link_down', now() - interval '3 hours', 20)",
    )
    past = read_past(watcher, "vps")
    assert past.arrival is not None
    assert past.arrival.beat_at is not None
    assert (past.arrival.now - past.arrival.beat_at).total_seconds() == pytest.approx(20, abs=1)
    assert past.unread_s == pytest.approx(3 * 3600, abs=60)
    assert check_recording(read_silence_s(watcher)).level is Level.WARNING
    assert [turn.cause for turn in read_turns(watcher, "vps")] == [Cause.LINK_DOWN]
    assert len(read_day(watcher, "vps")) == 1
    thin(watcher)
    assert mended_road.run("vitrine", "SELECT count(*) FROM watch.measurements") == [(1,)]


def test_a_history_that_claims_to_be_newer_than_now_is_not_kept() -> None:
    assert check_recording(-3600.0).level is Level.WARNING


def test_words_of_a_newer_version_are_no_good_news(mended_road: Road, watcher: Connection) -> None:
    mended_road.run(
        "vitrine",
        "INSERT INTO watch.measurements (subscriber, state, cause)"
        " VALUES ('vps', 'radiant', 'of_a_newer_version')",
    )
    [turn] = read_turns(watcher, "vps")
    assert (turn.state, turn.cause) == (FreshnessState.SILENT, Cause.UNKNOWN)
    assert read_day(watcher, "vps")[0].state is FreshnessState.SILENT


def test_the_links_own_limits_hold_whatever_the_connection_string_says(mended_road: Road) -> None:
    """connect() must not replace the time-out, nor a string's own options the others."""
    given = watch_dsns(PORTS["vps"], mended_road.servers)["vps"].get_secret_value()
    dsn = SecretStr(make_conninfo(given, options="-c work_mem=1MB"))
    with open_link(dsn) as conn:
        shown = [
            conn.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("statement_timeout", "lock_timeout", "work_mem")
        ]
        assert shown == [("2s",), ("500ms",), ("1MB",)]
        assert conn.info.get_parameters()["connect_timeout"] == "5"


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
    assert main(["status", "--declaration", str(STARTING_PATH)]) == 2
    assert "PONTE_WATCH_SGP_DSN, PONTE_WATCH_VITRINE_DSN, PONTE_WATCH_VPS_DSN" in capsys.readouterr().err
    assert main(["status", "--nagios", "--declaration", str(STARTING_PATH)]) == Level.UNKNOWN
    assert capsys.readouterr().out.startswith("PONTE UNKNOWN - not set: ")


def test_a_plugin_that_fails_is_unknown_and_never_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit codes 1 and 2 mean something else to monitoring."""
    assert main(["status", "--nagios", "--no-such-option"]) == Level.UNKNOWN
    assert main(["lag", "--nagios"]) == Level.UNKNOWN
    assert main(["status", "--nagios", "--help"]) == 0
    assert capsys.readouterr().out.startswith("PONTE UNKNOWN - wrong usage")
    monkeypatch.setattr("publications.commands.watch.read_given", lambda _: 1 / 0)
    assert main(["status", "--nagios"]) == Level.UNKNOWN
    assert capsys.readouterr().out.startswith("PONTE UNKNOWN - something unforeseen: ZeroDivisionError")


def test_a_malformed_connection_string_is_not_quoted(mended_road: Road) -> None:
    given = {f"PONTE_WATCH_{name}_DSN": "host=x password=se cret" for name in ("SGP", "VITRINE", "VPS")}
    with pytest.raises(SettingsError) as raised:
        read_watch_dsns(mended_road.declaration, given)
    assert "PONTE_WATCH_SGP_DSN" in str(raised.value)
    assert "cret" not in "".join(traceback.format_exception(raised.value))


def test_what_brackets_something_is_printed_as_it_is(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    sights = {name: replace(one, failure="[/red] said [bold]libpq") for name, one in view.sights.items()}
    show(to_renderable(replace(view, sights=sights), []))
    assert "\n[/red] said [bold]libpq\n" in capsys.readouterr().out


def test_a_copy_that_lasts_is_told_by_table_and_what_is_left_by_what_ends(
    view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    [seen] = view.subscribers.values()
    assert seen.export.subscription is not None
    copying = replace(seen.export.subscription, not_ready=("vitrine.pedidos",), received_bytes=2**32 + 10)
    export = replace(
        seen.export, subscription=copying, forecast=Forecast(1.0, True, slot_left_s=None, disk_left_s=7200.0)
    )
    show(to_renderable(replace(view, subscribers={"vps": replace(seen, export=export)}), []))
    shown = capsys.readouterr().out
    assert "vitrine->vps does not follow yet: vitrine.pedidos" in shown
    assert " 1/A " in shown
    assert "2.0 h (disk)" in shown


def test_an_unknown_age_has_no_unit(mended_road: Road) -> None:
    dsns = {name: SecretStr("host=127.0.0.1 port=1 user=x dbname=x") for name in ("sgp", "vitrine", "vps")}
    seen = look_once(mended_road.declaration, dsns)
    numbers = to_nagios(seen, check_view(seen)).split(" | ")[1].split()
    assert {number.split(";")[0] for number in numbers} == {
        "vps_age=U", "slot_intake_retained=U", "slot_vps_retained=U"
    }  # fmt: skip


def test_of_a_server_that_is_away_no_number_is_told_and_no_slot_is_lost(
    view: View, capsys: pytest.CaptureFixture[str]
) -> None:
    away = {name: replace(sight, answers=False) for name, sight in view.sights.items()}
    [seen] = view.subscribers.values()
    export = replace(seen.export, slot=None, slot_known=False, state=HopState.UNKNOWN)
    intake = replace(seen.intake, slot_known=False, state=HopState.UNKNOWN)
    gone = replace(view, sights=away, subscribers={"vps": replace(seen, intake=intake, export=export)})
    families = {family.name: family for family in metrics.collect(gone, 1.0, 0.0)}
    silent = (metrics.SLOT_LOST, metrics.SLOT_RETAINED, metrics.DISK_FREE, metrics.ROOM, metrics.ENABLED)
    assert [families[one.name].samples for one in silent] == [[]] * len(silent)
    show(hops_table(gone))
    shown = capsys.readouterr().out
    assert "vitrine->vps" in shown
    assert "missing" not in shown
    waiting = make_page(Polled(gone, time.time(), time.monotonic())).roads[0].waiting
    assert "Não se sabe agora quantas mudanças esperam a VPS" in waiting


def test_two_subscribers_have_one_disk(view: View) -> None:
    """Prometheus refuses a scrape that tells one series twice."""
    [seen] = view.subscribers.values()
    exports = [
        replace(seen.export, slot_name=f"slot_{name}", forecast=Forecast(1.0, True, None, left_s))
        for name, left_s in (("vps", 9.0), ("other", 5.0))
    ]
    subscribers = {one.slot_name: replace(seen, export=one) for one in exports}
    families = {one.name: one for one in metrics.collect(replace(view, subscribers=subscribers), 1.0, 0.0)}
    assert [
        one.value for one in families[metrics.DISK_LEFT.name].samples if one.labels["endpoint"] == "vitrine"
    ] == [5.0]


def test_with_nothing_reachable_nothing_is_ok(mended_road: Road) -> None:
    dsns = {name: SecretStr("host=127.0.0.1 port=1 user=x dbname=x") for name in ("sgp", "vitrine", "vps")}
    seen = look_once(mended_road.declaration, dsns)
    found = seen.measure("vps")
    assert (found.state, found.cause) == (FreshnessState.SILENT, Cause.WINDOW_DOWN)
    assert {Cause.VPS_DOWN, Cause.SGP_DOWN} <= set(found.causes)
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


def test_what_the_tailnet_says_stands_on_every_face(view: View) -> None:
    relayed = {"HostName": "ponte-vps", "Online": True, "Active": True, "CurAddr": "", "Relay": "loja"}
    ends_at = (datetime.now(UTC) + timedelta(days=20, hours=1)).isoformat()
    own = {"HostName": "intranet-sgp", "KeyExpiry": ends_at}
    told = parse_status({"BackendState": "Running", "Self": own, "Peer": {"a": relayed}}, LinkSettings())
    seen = replace(view, tailnet=told)
    page = make_page(Polled(seen, time.time(), time.monotonic()))
    assert page.notes == (
        "A chave de intranet-sgp na rede Tailscale vence em 20 dia(s)",
        "A ligação com ponte-vps passa por um intermediário (loja): funciona, mais devagar",
    )
    assert not {*page.notes} & {*page.failed, *page.alarms}
    checks = check_view(seen)
    facts = {one["kind"]: one["fact"] for one in json.loads(to_json(seen, checks))["checks"]}
    assert facts["key_left"] == "the tailnet's key of intranet-sgp expires in 20 days"
    with Console(record=True, width=240) as console:
        console.print(to_renderable(seen, checks))
    assert "the link to ponte-vps is relayed by loja: it works, slower" in console.export_text()
