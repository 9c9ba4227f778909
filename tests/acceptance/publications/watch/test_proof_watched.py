"""The mirror proves itself all the time, says so, and heals by itself what it may."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from db.freshness import Cause
from publications.watch.mending import SelfMender
from publications.watch.road import Watch
from publications.watch.view import View
from tests.fix_breaks import FRESH, SLACK_S, TWO_BEATS_S, wait_faces
from tests.fix_drift import heal_all, told, verify, write_by_hand
from tests.fix_watch import WatchedRoad

pytestmark = pytest.mark.acceptance


def change_on_vps(seen: WatchedRoad) -> None:
    """Change a row and leave its version, as only its whole content can tell."""
    write_by_hand(seen.road, "UPDATE vitrine.pedidos SET cliente = 'outro' WHERE id = 3")


def change_window(seen: WatchedRoad) -> None:
    """Change what the projection made; it travels on as if it were right."""
    seen.road.run("vitrine", "UPDATE vitrine.pedidos SET cliente = 'outro' WHERE id = 3")


@pytest.mark.parametrize("change", [change_on_vps, change_window])
def test_what_only_whole_rows_tell_is_named_on_every_face_and_healed(
    watched_road: WatchedRoad, change: Callable[[WatchedRoad], None]
) -> None:
    change(watched_road)
    wait_faces(watched_road, FRESH, Cause.CHANGES_LOST, 2 * TWO_BEATS_S + SLACK_S)
    assert "1 linha de vitrine.pedidos" in watched_road.panel.get("/")
    heal_all(watched_road.road)
    wait_faces(watched_road, FRESH, None, 2 * TWO_BEATS_S + SLACK_S)
    assert told(verify(watched_road.road)) == {}
    watched_road.road.wait(
        lambda: "Conferido há" in (page := watched_road.panel.get("/")) and ": 0 diferenças." in page,
        "the panel's word on the proof",
    )
    assert 'ponte_hop_proven_seconds{source="sgp",target="vitrine"}' in watched_road.panel.get("/metrics")
    assert "0 differences" in watched_road.run_command("status")[1]
    checks = json.loads(watched_road.run_command("status", "--json")[1])["checks"]
    [compared] = [check for check in checks if check["kind"] == "compared"]
    assert (compared["level"], compared["values"]["count"]) == ("ok", 0)


def test_a_watch_that_begins_knows_what_another_has_proven(watched_road: WatchedRoad) -> None:
    kept = "SELECT count(*) FROM watch.proofs WHERE target = 'vps'"
    watched_road.road.wait(lambda: watched_road.road.run("vitrine", kept) == [(6,)], "what the panel keeps")
    with Watch(watched_road.road.declaration, watched_road.dsns, verify_percent=0.001) as watch:
        watched_road.road.wait(lambda: _checked(watch.look()), "what the panel has proven")


def _checked(view: View) -> bool:
    return all(hop.checked_s is not None for hop in view.hops)


def test_it_heals_by_itself_and_leaves_too_many_removals_to_people(watched_road: WatchedRoad) -> None:
    road = watched_road.road
    mender = SelfMender(road.settings.dsns, removed_percent=1.0)
    extra = "INSERT INTO vitrine.miniaturas (imagem_id, versao) SELECT n, 1 FROM generate_series(1, 50) AS n"
    with Watch(road.declaration, watched_road.dsns, verify_percent=100, mender=mender) as watch:
        change_on_vps(watched_road)
        road.wait(lambda: told(verify(road, "vitrine.pedidos")) == {}, "the row is healed by itself")
        write_by_hand(road, extra)
        road.wait(lambda: "vitrine.miniaturas" in watch.look().subscribers["vps"].export.lost, "it is seen")
        write_by_hand(road, "UPDATE vitrine.imagens SET tamanho = tamanho + 1 WHERE id = 1")
        road.wait(lambda: told(verify(road, "vitrine.imagens")) == {}, "another round")
    assert road.run("vps", "SELECT count(*) FROM vitrine.miniaturas WHERE versao = 1") == [(50,)]
    heal_all(road)
    wait_faces(watched_road, FRESH, None, 2 * TWO_BEATS_S + SLACK_S)
