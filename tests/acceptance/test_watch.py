"""Each failure has the right word and cause, on the panel, the command, the metrics and the API alike."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families

from db.freshness import FRESH_S, LAGGING_S, POLL_STALE_S, Cause, FreshnessState
from infra.devstack.state import wait_until
from publications.checks import Level
from publications.settings import watch_variable
from publications.watch import Watch
from tests.fix_browser import ALL_LOOKS, Browser
from tests.fix_watch import BEAT_S, MAX_OFFLINE_H, Face, Panel, Sampler, WatchedRoad, fetch
from vps_readapi import metrics

pytestmark = pytest.mark.acceptance

FRESH, LAGGING, SILENT = FreshnessState
WORDS = {FRESH: "Atenção", LAGGING: "ATRASADA", SILENT: "SEM NOTÍCIAS"}
TWO_BEATS_S = 2 * BEAT_S
FACES = 5
ONE_POLL_S = 1.5
"""A follower looks and the panel looks at it, each every half second, and the sampler at both."""
CROSSING_S = 1.5
"""The last beat that arrives is so much younger than what it is to become."""
SLACK_S = 6.0
"""Five faces are asked one after the other, and a command that waits for a deaf link takes four seconds."""


Break = Callable[[WatchedRoad], AbstractContextManager[None]]


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


@contextmanager
def link_cut_one_way(seen: WatchedRoad) -> Iterator[None]:
    """The VPS can't reach the vitrine, and whoever watches reaches both."""
    seen.road.link.cut()
    try:
        yield
    finally:
        seen.heal()


@contextmanager
def intake_shut_out(seen: WatchedRoad) -> Iterator[None]:
    """SGP's server refuses the vitrine, and answers whoever watches."""
    role = seen.road.declaration.intake.role
    seen.road.run("sgp", f"ALTER ROLE {role} NOLOGIN")
    seen.road.run(
        "sgp",
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'slot_intake'",
    )
    try:
        yield
    finally:
        seen.road.run("sgp", f"ALTER ROLE {role} LOGIN")


def server_down(name: str) -> Break:
    @contextmanager
    def stopped(seen: WatchedRoad) -> Iterator[None]:
        cluster = seen.road.servers.clusters[name]
        cluster.stop("immediate")
        try:
            yield
        finally:
            cluster.start()

    return stopped


FAILURES: dict[str, tuple[Break, Cause, FreshnessState]] = {
    "apply stopped": (apply_disabled, Cause.APPLY_STOPPED, LAGGING),
    "apply blocked by a lock": (apply_blocked, Cause.APPLY_STOPPED, LAGGING),
    "link cut": (link_cut, Cause.LINK_DOWN, SILENT),
    "link deaf": (link_deaf, Cause.LINK_DOWN, LAGGING),
    "link cut one way": (link_cut_one_way, Cause.LINK_DOWN, LAGGING),
    "SGP takes no writes": (writes_stopped, Cause.SGP_IDLE, LAGGING),
    "intake shut out": (intake_shut_out, Cause.INTAKE_CUT, LAGGING),
    "SGP down": (server_down("sgp"), Cause.SGP_DOWN, LAGGING),
    "vitrine down": (server_down("vitrine"), Cause.WINDOW_DOWN, LAGGING),
}


def wait_faces(
    seen: WatchedRoad, state: FreshnessState, cause: Cause | None, timeout_s: float
) -> dict[str, float]:
    """Wait until all five faces say so; return after how many seconds each did. Fail with what they say."""
    began = time.monotonic()
    faces: dict[str, Face] = {}
    since: dict[str, float] = {}

    def ask(read: Callable[[], dict[str, Face]]) -> bool:
        found = read()
        faces.update(found)
        for name, face in found.items():
            if face.state is state and (face.causes is None or face.cause is cause):
                since.setdefault(name, time.monotonic() - began)
            else:
                since.pop(name, None)
        return set(found) <= set(since)

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


def test_for_how_long_people_may_log_in_is_shown_as_the_vps_has_it(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    said = watched_road.run_command("status")[1]
    assert "logins on vps: accepted for 12.5 h more without word from here (bound 12.5 h)" in said
    assert "entra-se pelo celular por mais 12,5 h (limite: 12,5 h)" in watched_road.panel.get("/")
    watched_road.beat_once(MAX_OFFLINE_H * 3600 + 60)
    code, said = watched_road.run_command("status", "--nagios")
    assert code == Level.CRITICAL
    assert "logins on vps are refused: no word from here within the bound of 12.5 h" in said
    assert "há mais de 12,5 h sem contato com a loja" in watched_road.panel.get("/")
    watched_road.heart.start()
    watched_road.wait_ok()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_the_live_view_is_renewed_until_it_is_stopped(watched_road: WatchedRoad) -> None:
    import pty  # noqa: PLC0415  # not on Windows

    near, far = pty.openpty()
    variables = {watch_variable(name): dsn.get_secret_value() for name, dsn in watched_road.dsns.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PONTE_")}
    command = [sys.executable, "-m", "publications.cli", "lag", "--watch"]
    # A terminal does not ignore Ctrl-C, whatever runs these tests does.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            command, stdout=far, stderr=far, env={**inherited, **variables, "TERM": "xterm", "COLUMNS": "160"}
        )
    finally:
        signal.signal(signal.SIGINT, before)
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


def test_replayed_old_beats_do_not_make_it_older(watched_road: WatchedRoad) -> None:
    """What a restored backup or a replay would write, while the heart goes on."""
    watched_road.wait_ok()
    with Sampler(watched_road) as sampler:
        watched_road.road.run(
            "sgp", "UPDATE ponte.heartbeat SET beat = beat - 1000, beat_at = beat_at - interval '1 hour'"
        )
        sampler.wait(TWO_BEATS_S)
        wait_faces(watched_road, FRESH, None, 2 * TWO_BEATS_S + SLACK_S)
    assert sampler.states == {FRESH}


def test_one_lost_beat_is_not_noticed(watched_road: WatchedRoad) -> None:
    """The worker writes it, and it is as if it had not."""
    run = watched_road.road.run
    watched_road.wait_ok()
    with Sampler(watched_road) as sampler:
        run("sgp", "CREATE SEQUENCE ponte.lost")
        run(
            "sgp",
            "CREATE FUNCTION ponte.lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
            " RETURN CASE WHEN nextval('ponte.lost') = 1 THEN old ELSE new END; END $$",
        )
        run(
            "sgp",
            "CREATE TRIGGER lose BEFORE UPDATE ON ponte.heartbeat FOR EACH ROW EXECUTE FUNCTION ponte.lose()",
        )
        lost = "SELECT 1 FROM ponte.lost WHERE last_value > 1"
        watched_road.road.wait(lambda: bool(run("sgp", lost)), "the beat after the one that is lost")
        sampler.wait(BEAT_S)
    run("sgp", "DROP TRIGGER lose ON ponte.heartbeat")
    run("sgp", "DROP FUNCTION ponte.lose()")
    run("sgp", "DROP SEQUENCE ponte.lost")
    assert (sampler.states, sampler.causes) == ({FRESH}, set())


# ---------------------------------------------------------------- what looks well and is not


def leave_the_subscription(seen: WatchedRoad) -> None:
    seen.road.run("vps", "ALTER SUBSCRIPTION sub_vps DROP PUBLICATION pub_vps_pedidos")


def leave_the_publication(seen: WatchedRoad) -> None:
    seen.road.run("sgp", "ALTER PUBLICATION pub_intake_pedidos DROP TABLE public.pedidos")


def forget_what_was_applied(seen: WatchedRoad) -> None:
    seen.road.run("vitrine", "DELETE FROM projection.fingerprints WHERE endpoint = 'vitrine'")


@pytest.mark.parametrize("change", [leave_the_subscription, leave_the_publication, forget_what_was_applied])
def test_a_table_that_is_published_no_more_is_never_ok(
    watched_road: WatchedRoad, change: Callable[[WatchedRoad], None]
) -> None:
    """Also where nobody else compares: no worker's job runs here."""
    watched_road.wait_ok()
    change(watched_road)
    wait_faces(watched_road, FRESH, Cause.DRIFTED, TWO_BEATS_S + SLACK_S)
    watched_road.road.apply()
    watched_road.wait_ok()


def test_a_heartbeat_that_is_gone_is_named_and_copied_again(watched_road: WatchedRoad) -> None:
    """As 'ponte status' advises. The API knows no age at once; no beat will ever come again."""
    run = watched_road.road.run
    watched_road.wait_ok()
    run("vps", "SET session_replication_role = replica; DELETE FROM vitrine.heartbeat")
    wait_faces(watched_road, SILENT, Cause.BEAT_LOST, TWO_BEATS_S + SLACK_S)
    run("vps", "ALTER SUBSCRIPTION sub_vps DROP PUBLICATION pub_vps_heartbeat")
    watched_road.road.apply()
    watched_road.wait_ok()


def test_locks_on_the_vitrine_do_not_make_it_one_that_is_away(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    with watched_road.road.connect("vitrine") as conn, conn.transaction(), Sampler(watched_road) as sampler:
        conn.execute("LOCK TABLE vitrine.miniaturas, watch.measurements IN ACCESS EXCLUSIVE MODE")
        assert watched_road.read_command("status") == Face(FRESH, ())
        sampler.wait(TWO_BEATS_S)
    assert (sampler.states, sampler.causes) == ({FRESH}, set())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that stops a process for a while")
def test_a_history_that_hangs_makes_the_panel_no_older(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ponte-panel'"
    watched_road.road.wait(lambda: bool(watched_road.road.run("vitrine", query)), "a session for the history")
    frozen = [int(str(pid)) for (pid,) in watched_road.road.run("vitrine", query)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        with Sampler(watched_road) as sampler:
            sampler.wait(POLL_STALE_S + BEAT_S)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert (sampler.states, sampler.causes) == ({FRESH}, set())


def test_a_slow_link_is_not_one_that_is_down(watched_road: WatchedRoad) -> None:
    """300 ms there and back, as over a mobile network."""
    watched_road.back.slow(0.15)
    try:
        assert watched_road.read_command("status") == Face(FRESH, ())
    finally:
        watched_road.heal()
    watched_road.wait_ok()


# ---------------------------------------------------------------- last: what can't be undone


def test_a_slot_that_was_made_anew_is_a_lost_one(watched_road: WatchedRoad) -> None:
    """What was written in between never leaves, and everything looks well."""
    run = watched_road.road.run
    watched_road.wait_ok()
    with apply_disabled(watched_road):
        inactive = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND NOT active"
        watched_road.road.wait(lambda: bool(run("vitrine", inactive)), "an inactive slot")
        run("vitrine", "SELECT pg_drop_replication_slot('slot_vps')")
        run("vitrine", "SELECT pg_create_logical_replication_slot('slot_vps', 'pgoutput')")
    watched_road.road.wait(
        lambda: watched_road.read_panel() == Face(FRESH, (Cause.SLOT_LOST,)), "a slot that is another"
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
