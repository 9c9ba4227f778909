"""What the panel, the command and the metrics show, and what must not make them say that it is bad."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from db import lifetime
from db.freshness import POLL_STALE_S, Cause
from publications.declare.declaration import STARTING_PATH
from publications.settings import watch_variable
from publications.watch.checks import Level
from publications.watch.road import Watch
from tests.fix_breaks import FRESH, SILENT, SLACK_S, TWO_BEATS_S, wait_faces
from tests.fix_browser import ALL_LOOKS, Browser
from tests.fix_watch import BEAT_S, MAX_OFFLINE_H, Face, Panel, Sampler, WatchedRoad, fetch
from vps_readapi import metrics
from vps_readapi.front.metrics import REQUESTS

pytestmark = pytest.mark.acceptance


def test_the_command_says_it_in_words_and_exit_codes(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    # What waits is counted within a second, or not known at that look.
    watched_road.road.wait(lambda: watched_road.run_command("status")[0] == 0, "a look without a fault")
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
    command = [sys.executable, "-m", "publications", "lag", "--watch", "--declaration", str(STARTING_PATH)]
    # A terminal does not ignore Ctrl-C, whatever runs these tests does.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = lifetime.start(
            command, stdout=far, stderr=far, env={**inherited, **variables, "TERM": "xterm", "COLUMNS": "160"}
        )
    finally:
        signal.signal(signal.SIGINT, before)
    shown = b""
    while shown.count(b"vps: OK") < 2:
        shown += os.read(near, 65536)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    os.close(far)
    os.close(near)


def test_the_apis_numbers_say_what_its_headers_say(watched_road: WatchedRoad) -> None:
    watched_road.wait_ok()
    text, _ = fetch(watched_road.api_metrics_port, "/metrics")
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    [state] = [one.labels["state"] for one in samples if one.name == metrics.STATE.name and one.value == 1]
    assert state == watched_road.read_api().state
    counted = [one for one in samples if one.name == REQUESTS.name and one.labels["route"] == "/saude/viva"]
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


LATE_S = 0.25
TRIES = 5


def test_one_lost_beat_is_not_noticed(watched_road: WatchedRoad) -> None:
    """The worker writes it, and it is as if it had not; those around it come in time, or it is done again."""
    for _ in range(TRIES):
        watched_road.wait_ok()
        with Sampler(watched_road) as sampler:
            apart_s = lose_a_beat(watched_road)
            sampler.wait(BEAT_S)
        if apart_s <= TWO_BEATS_S + LATE_S:
            break
    assert apart_s <= TWO_BEATS_S + LATE_S, f"in none of {TRIES} tries the machine kept time"
    assert (sampler.states, sampler.causes) == ({FRESH}, set())


def lose_a_beat(seen: WatchedRoad) -> float:
    """Have one beat lost, and return for how many seconds there was none."""
    run = seen.road.run
    run("sgp", "CREATE SEQUENCE ponte.lost")
    run("sgp", "CREATE TABLE ponte.around AS SELECT now() AS at WHERE false")
    run(
        "sgp",
        "CREATE FUNCTION ponte.lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " IF nextval('ponte.lost') > 1 THEN"
        "   INSERT INTO ponte.around VALUES (new.beat_at); RETURN new; END IF;"
        " INSERT INTO ponte.around VALUES (old.beat_at); RETURN old; END $$",
    )
    run(
        "sgp",
        "CREATE TRIGGER lose BEFORE UPDATE ON ponte.heartbeat FOR EACH ROW EXECUTE FUNCTION ponte.lose()",
    )
    seen.road.wait(
        lambda: run("sgp", "SELECT 1 FROM ponte.around OFFSET 1") != [], "the beat after the one that is lost"
    )
    run("sgp", "DROP TRIGGER lose ON ponte.heartbeat")
    [(apart_s,)] = run(
        "sgp", "SELECT extract(epoch FROM max(at) - min(at))::float FROM (TABLE ponte.around LIMIT 2) AS two"
    )
    run("sgp", "DROP FUNCTION ponte.lose()")
    run("sgp", "DROP TABLE ponte.around")
    run("sgp", "DROP SEQUENCE ponte.lost")
    assert isinstance(apart_s, float)
    return apart_s


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
