"""Each failure has the right word and cause, on the panel, the command, the metrics and the API alike."""

from __future__ import annotations

import re
import time
from threading import Event

import pytest

from db.freshness import FRESH_S, LAGGING_S, POLL_STALE_S, Cause
from publications.watch.checks import Level
from publications.watch.road import Watch
from tests.fix_breaks import (
    CROSSING_S,
    FAILURES,
    FRESH,
    LAGGING,
    ONE_POLL_S,
    SILENT,
    SLACK_S,
    TWO_BEATS_S,
    WORDS,
    Named,
    apply_disabled,
    wait_faces,
)
from tests.fix_browser import Browser
from tests.fix_watch import BEAT_S, Face, Panel, Sampler, WatchedRoad

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_has_its_word_and_cause_on_all_faces(
    watched_road: WatchedRoad, failure: str, named: Named
) -> None:
    """The last beat that arrived is nearly too old when it breaks, and soon is."""
    break_, cause, state = FAILURES[failure]
    watched_road.beat_once((FRESH_S if state is LAGGING else LAGGING_S) - CROSSING_S)
    with break_(watched_road), Sampler(watched_road) as sampler:
        watched_road.heart.start()
        named(failure, wait_faces(watched_road, state, cause, CROSSING_S + TWO_BEATS_S + SLACK_S))
        assert watched_road.read_word() == WORDS[state]
    assert sampler.disagreed_s <= ONE_POLL_S
    watched_road.wait_ok()
    assert watched_road.read_word() == "OK"


def test_a_dead_worker_is_not_a_shop_that_rests(
    watched_road: WatchedRoad, browser: Browser, named: Named
) -> None:
    watched_road.beat_once(FRESH_S - CROSSING_S)
    timeout_s = CROSSING_S + TWO_BEATS_S + SLACK_S
    named("worker dead", wait_faces(watched_road, LAGGING, Cause.WORKER_DEAD, timeout_s))
    assert browser.read_faults(watched_road.panel.url) == []
    code, said = watched_road.run_command("status", "--nagios")
    assert (code, said.split(" - ")[0]) == (Level.WARNING, "PONTE WARNING")
    watched_road.heart.start()
    watched_road.wait_ok()


def test_one_kill_of_the_apply_worker_heals_itself(watched_road: WatchedRoad, named: Named) -> None:
    with Sampler(watched_road) as sampler:
        watched_road.road.run(
            "vps", "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL"
        )
        sampler.wait(TWO_BEATS_S)
        named("apply killed", wait_faces(watched_road, FRESH, None, TWO_BEATS_S + SLACK_S))
    assert sampler.states == {FRESH}


def test_a_skewed_clock_is_never_ok(watched_road: WatchedRoad, named: Named) -> None:
    """SGP's server's clock ahead by a minute, for every session but replication's."""
    run = watched_road.road.run
    run("sgp", "CREATE SCHEMA skewed")
    run(
        "sgp",
        "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
        " 'SELECT pg_catalog.clock_timestamp() + interval ''60 s'''",
    )
    run("sgp", "GRANT USAGE ON SCHEMA skewed TO PUBLIC")
    run("sgp", "ALTER DATABASE sgp SET search_path = skewed, pg_catalog, public")
    end_sessions(watched_road)
    named("clock skewed", wait_faces(watched_road, LAGGING, Cause.CLOCK_SKEWED, TWO_BEATS_S + SLACK_S))
    run("sgp", "ALTER DATABASE sgp RESET search_path")
    run("sgp", "DROP SCHEMA skewed CASCADE")
    end_sessions(watched_road)
    watched_road.wait_ok()


def end_sessions(seen: WatchedRoad) -> None:
    """Have the worker and the watch connect anew: a database's settings are taken at the start."""
    seen.road.run(
        "sgp",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name IN ('ponte-worker', 'ponte-watch')",
    )


def test_a_panel_whose_poll_died_says_so(watched_road: WatchedRoad, browser: Browser, named: Named) -> None:
    """Another panel of the same road; on it alone it is silent."""
    dead = Face(SILENT, (Cause.POLL_DIED,))
    with Watch(watched_road.road.declaration, watched_road.dsns, interval_s=0.5) as watch:
        panel = Panel(watch, watched_road.dsns["vitrine"])
        panel.start()
        seen = WatchedRoad(**{**vars(watched_road), "panel": panel})
        seen.road.wait(lambda: seen.read_word() == "OK", "OK on the second panel")
        panel.poller.stop()
        began = time.monotonic()
        seen.road.wait(lambda: seen.read_panel() == seen.read_metrics() == dead, "silence")
        named("poll died", {"panel": time.monotonic() - began})
        assert seen.read_word() == "SEM NOTÍCIAS"
        assert "O painel parou de medir" in panel.get("/")
        assert browser.read_faults(panel.url) == []
        watched_road.wait_ok()
        assert [seen.read_command("status").state, seen.read_api().state] == [FRESH, FRESH]
        panel.stop()


# ---------------------------------------------------------------- last: what can't be undone


def test_a_slot_that_was_made_anew_is_a_lost_one(watched_road: WatchedRoad) -> None:
    """What was written in between never leaves, and everything looks well."""
    run = watched_road.road.run
    watched_road.wait_ok()
    with apply_disabled(watched_road):
        inactive = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
        watched_road.road.wait(lambda: bool(run("vitrine", inactive)), "an inactive slot")
        [[before]] = run("vitrine", "SELECT beat FROM vitrine.heartbeat")
        written = "SELECT 1 FROM vitrine.heartbeat WHERE beat > %s"
        watched_road.road.wait(lambda: bool(run("vitrine", written, before)), "a beat that the old one holds")
        run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")
        run("vitrine", "SELECT pg_create_logical_replication_slot('slot_vps', 'pgoutput')")
    watched_road.road.wait(
        lambda: watched_road.read_panel() == Face(FRESH, (Cause.SLOT_LOST, Cause.CHANGES_LOST)),
        "a slot that is another, and what was lost with the old one",
    )
    assert 'ponte_slot_lost_ratio{endpoint="vitrine",slot="slot_vps"} 1.0' in watched_road.panel.get(
        "/metrics"
    )
    watched_road.road.apply()
    watched_road.wait_ok()


def read_left_s(seen: WatchedRoad) -> float | None:
    found = re.search(
        r'ponte_slot_left_seconds{endpoint="vitrine",slot="slot_vps"} (\S+)', seen.panel.get("/metrics")
    )
    return float(found[1]) if found else None


def test_the_hours_left_are_foretold_at_once_after_hours_that_were_well(watched_road: WatchedRoad) -> None:
    """How exactly is measured in tests/benchmarks/watch.py."""
    run = watched_road.road.run
    run("vitrine", "ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
    run("vitrine", "SELECT pg_reload_conf()")
    watched_road.wait_ok()
    assert read_left_s(watched_road) is None
    watched_road.road.link.cut()
    try:
        with watched_road.road.connect("vitrine") as conn:
            began, written = time.monotonic(), 0
            while time.monotonic() - began < POLL_STALE_S + BEAT_S:
                conn.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 400000))")
                written += 400_000
                Event().wait(0.05)
            rate = written / (time.monotonic() - began)
            [(safe,)] = run(
                "vitrine", "SELECT safe_wal_size FROM pg_replication_slots WHERE slot_name = 'slot_vps'"
            )
            assert read_left_s(watched_road) == pytest.approx(int(str(safe)) / rate, rel=0.35)
    finally:
        watched_road.heal()
        run("vitrine", "ALTER SYSTEM RESET ALL")
        run("vitrine", "SELECT pg_reload_conf()")
    watched_road.wait_ok()
    watched_road.road.wait(lambda: read_left_s(watched_road) is None, "a slot that is read again")


def is_lost(seen: WatchedRoad) -> bool:
    found = seen.road.run(
        "vitrine", "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'slot_vps'"
    )
    return found == [("lost",)]


def test_a_slot_that_is_lost_is_named(watched_road: WatchedRoad, named: Named) -> None:
    """How long it lasts is foretold and measured in tests/benchmarks/watch.py."""
    run = watched_road.road.run
    run("vitrine", "ALTER SYSTEM SET max_slot_wal_keep_size = '32MB'")
    run("vitrine", "SELECT pg_reload_conf()")
    try:
        watched_road.beat_once(FRESH_S - CROSSING_S)
        watched_road.heart.start()
        watched_road.cut()
        run("vitrine", "SELECT pg_logical_emit_message(false, 'x', repeat('x', 90000000))")
        run("vitrine", "CHECKPOINT")
        watched_road.road.wait(lambda: is_lost(watched_road), "a lost slot")
        named("slot lost", wait_faces(watched_road, LAGGING, Cause.SLOT_LOST, TWO_BEATS_S + SLACK_S))
        assert watched_road.run_command("status", "--nagios")[0] == Level.CRITICAL
    finally:
        run("vitrine", "ALTER SYSTEM RESET ALL")
        run("vitrine", "SELECT pg_reload_conf()")
