"""Each failure has the right word and cause, on the panel, the command, the metrics and the API alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.freshness import FRESH_S, LAGGING_S, Cause, FreshnessState
from infra.devstack.state import wait_until
from publications.checks import Level
from publications.settings import watch_variable
from publications.watch import Watch
from tests.fix_browser import ALL_LOOKS, Browser
from tests.fix_watch import BEAT_S, Face, Panel, WatchedRoad, fetch
from vps_readapi import metrics

pytestmark = pytest.mark.acceptance

FRESH, LAGGING, SILENT = FreshnessState
WORDS = {FRESH: "Atenção", LAGGING: "ATRASADA", SILENT: "SEM NOTÍCIAS"}
TWO_BEATS_S = 2 * BEAT_S
FACES = 5
CROSSING_S = 1.5
"""The last beat that arrives is so much younger than what it is to become."""
SLACK_S = 6.0
"""Five faces are asked one after the other, and a command that waits for a deaf link takes four seconds."""


@contextmanager
def apply_disabled(seen: WatchedRoad) -> Iterator[None]:
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    try:
        yield
    finally:
        seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")


@contextmanager
def apply_blocked(seen: WatchedRoad) -> Iterator[None]:
    with seen.road.connect("vps") as conn, conn.transaction():
        conn.execute("LOCK TABLE vitrine.pedidos IN SHARE ROW EXCLUSIVE MODE")
        seen.road.run("sgp", "UPDATE pedidos SET observacao = 'travado ' || clock_timestamp() WHERE id = 1")
        yield


@contextmanager
def link_cut(seen: WatchedRoad) -> Iterator[None]:
    seen.cut()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def link_deaf(seen: WatchedRoad) -> Iterator[None]:
    seen.deafen()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def writes_stopped(seen: WatchedRoad) -> Iterator[None]:
    with seen.road.connect("sgp") as conn, conn.transaction():
        conn.execute("SELECT 1 FROM ponte.heartbeat FOR UPDATE")
        yield


Break = Callable[[WatchedRoad], AbstractContextManager[None]]
FAILURES: dict[str, tuple[Break, Cause, FreshnessState]] = {
    "apply stopped": (apply_disabled, Cause.APPLY_STOPPED, LAGGING),
    "apply blocked by a lock": (apply_blocked, Cause.APPLY_STOPPED, LAGGING),
    "link cut": (link_cut, Cause.LINK_DOWN, SILENT),
    "link deaf": (link_deaf, Cause.LINK_DOWN, LAGGING),
    "SGP takes no writes": (writes_stopped, Cause.SGP_IDLE, LAGGING),
}


def wait_faces(
    seen: WatchedRoad, state: FreshnessState, cause: Cause | None, timeout_s: float
) -> dict[str, float]:
    """Wait until all five faces say so; return after how many seconds each did. Fail with what they say."""
    began = time.monotonic()
    faces: dict[str, Face] = {}
    since: dict[str, float] = {}

    def ask(read: Callable[[], dict[str, Face]]) -> bool:
        faces.update(read())
        for name, face in faces.items():
            if face.state is state and (face.causes is None or face.cause is cause):
                since.setdefault(name, time.monotonic() - began)
            else:
                since.pop(name, None)
        return len(since) == len(faces)

    def agree() -> bool:
        return ask(seen.read_quick_faces) and ask(seen.read_faces) and len(since) == FACES

    assert wait_until(agree, timeout_s), f"not {state}, {cause}: {faces}"
    return since


Named = Callable[[str, dict[str, float]], None]


@pytest.fixture
def named(record_property: Callable[[str, object], None]) -> Named:
    """Note after how many seconds the last face named a failure; `make bench` tells it."""
    return lambda failure, since: record_property(failure, max(since.values()))


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_has_its_word_and_cause_on_all_faces(
    watched_road: WatchedRoad, failure: str, named: Named
) -> None:
    """The last beat that arrived is nearly too old when it breaks, and soon is."""
    break_, cause, state = FAILURES[failure]
    watched_road.beat_once((FRESH_S if state is LAGGING else LAGGING_S) - CROSSING_S)
    with break_(watched_road):
        watched_road.heart.start()
        named(failure, wait_faces(watched_road, state, cause, CROSSING_S + TWO_BEATS_S + SLACK_S))
        assert watched_road.read_word() == WORDS[state]
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
    watched_road.road.run(
        "vps", "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL"
    )
    named("apply killed", wait_faces(watched_road, FRESH, None, TWO_BEATS_S + SLACK_S))


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


def test_the_command_says_it_in_words_and_exit_codes(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    code, said = watched_road.run_command("status")
    assert (code, said.splitlines()[0][:8]) == (0, "vps: OK,")
    assert "vitrine->vps  running" in said
    code, said = watched_road.run_command("lag")
    assert code == 0
    assert "sgp->vitrine  running" in said
    code, said = watched_road.run_command("status", "--nagios")
    assert code == 0
    assert said.startswith("PONTE OK - vps: OK, ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_the_live_view_is_renewed_until_it_is_stopped(watched_road: WatchedRoad) -> None:
    import pty  # noqa: PLC0415  # not on Windows

    near, far = pty.openpty()
    variables = {watch_variable(name): dsn.get_secret_value() for name, dsn in watched_road.dsns.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PONTE_")}
    command = [sys.executable, "-m", "publications.cli", "lag", "--watch"]
    process = subprocess.Popen(
        command, stdout=far, stderr=far, env={**inherited, **variables, "TERM": "xterm", "COLUMNS": "160"}
    )
    shown = b""
    while shown.count(b"vps: OK") < 2:
        shown += os.read(near, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    os.close(far)
    os.close(near)


def test_the_apis_numbers_say_what_its_headers_say(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    text, _ = fetch(watched_road.api_metrics_port, "/metrics")
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    [state] = [one.labels["state"] for one in samples if one.name == metrics.STATE.name and one.value == 1]
    assert state == watched_road.read_api().state
    counted = [
        one for one in samples if one.name == metrics.REQUESTS.name and one.labels["route"] == "/saude/viva"
    ]
    assert counted[0].value > 0
    named = {one.name for one in metrics.ALL}
    assert named <= {one.name for one in samples}
    assert fetch(watched_road.api.port, "/metrics")[0] != text


def test_the_page_fits_and_can_be_read_by_everybody(watched_road: WatchedRoad, browser: Browser) -> None:
    """In light and dark, on a desktop and on a phone; nothing is fetched from elsewhere."""
    watched_road.wait_ok()
    assert browser.read_faults(watched_road.panel.url, ALL_LOOKS) == []
    with browser.open(watched_road.panel.url, width=360) as page:
        line = page.locator("h1").inner_text().replace("\n", " ")
        assert line.startswith("Sincronização: OK Último Sync: há ")
        assert page.title() == "Sincronização: OK · Ponte"


def test_a_page_whose_panel_is_gone_turns_red_by_itself(watched_road: WatchedRoad, browser: Browser) -> None:
    with Watch(watched_road.road.declaration, watched_road.dsns, interval_s=0.5) as watch:
        panel = Panel(watch, watched_road.dsns["vitrine"])
        panel.start()
        with browser.open(panel.url, width=390, own_clock=True) as page:
            assert page.title() == "Sincronização: OK · Ponte"
            panel.stop()
            page.clock.run_for(12_000)
            page.wait_for_function("document.querySelector('.manchete.bad') !== null")
            assert page.locator("h1").inner_text().startswith("Sincronização: SEM NOTÍCIAS")
            assert page.title() == "Sincronização: SEM NOTÍCIAS · Ponte"


def test_replayed_old_beats_and_a_lost_one_change_nothing(watched_road: WatchedRoad) -> None:
    """What a restored backup or a replay would write, while the heart goes on."""
    watched_road.road.run(
        "sgp", "UPDATE ponte.heartbeat SET beat = beat - 1000, beat_at = beat_at - interval '1 hour'"
    )
    wait_faces(watched_road, FRESH, None, 2 * TWO_BEATS_S + SLACK_S)


# ---------------------------------------------------------------- last: what can't be undone


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
