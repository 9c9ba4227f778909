"""Each fault has its own cause on all faces, from one judgement, and the link's only where it is that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import pytest

from db.freshness import Cause
from db.waiting import wait_until
from tests.fix_breaks import LOOK_S
from tests.fix_drills import DRILLS, Drill
from tests.fix_road import DEADLINE_S
from tests.fix_watch import Sampler, WatchedRoad

pytestmark = pytest.mark.acceptance

Note = Callable[[str, object], None]
Shown = dict[str, object]
"""What one face has of the subscriber: ok, cause, causes, faults."""


def ask_panel(seen: WatchedRoad) -> Shown:
    shown: Shown = json.loads(seen.panel.get("/estado"))["vps"]
    return shown


def ask_metrics(seen: WatchedRoad) -> Shown:
    face = seen.read_metrics()
    causes = [cause.value for cause in face.causes or ()]
    return {"ok": not causes, "cause": next(iter(causes), None)}


def ask_command(verb: str) -> Callable[[WatchedRoad], Shown]:
    def ask(seen: WatchedRoad) -> Shown:
        shown: Shown = json.loads(seen.run_command(verb, "--json")[1])["subscribers"]["vps"]
        return shown

    return ask


FACES: Mapping[str, Callable[[WatchedRoad], Shown]] = {
    "panel": ask_panel,
    "metrics": ask_metrics,
    "status": ask_command("status"),
    "lag": ask_command("lag"),
}
"""Those that know causes; the API's headers know how old the data is."""


def says_more(drill: Drill, shown: Shown) -> bool:
    """Tell whether the fault itself stands beside its cause, with its server and what is known of it."""
    faults: list[dict[str, str]] = shown.get("faults", [])  # type: ignore[assignment]
    return not drill.endpoint or any(
        one["cause"] == drill.cause
        and one["endpoint"] == drill.endpoint
        and all(part in one[key] for key, part in drill.said.items())
        for one in faults
    )


@pytest.mark.parametrize("fault", DRILLS)
def test_a_fault_has_its_own_cause_on_all_faces(
    direct_road: WatchedRoad, fault: str, record_property: Note
) -> None:
    drill = DRILLS[fault]
    known = direct_road.road.run("vps", "SELECT name FROM pg_settings WHERE name = %s", drill.needs)
    if drill.needs and not known:
        return  # an older server has no such bound
    direct_road.wait_ok()
    wrong, false_ok = {}, []
    with Sampler(direct_road) as sampler, drill.break_(direct_road):
        began = time.monotonic()
        assert wait_until(
            lambda: (
                ask_panel(direct_road)["cause"] == drill.cause and says_more(drill, ask_panel(direct_road))
            ),
            DEADLINE_S,
            poll_s=LOOK_S,
        ), (drill.cause, ask_panel(direct_road))
        for name, ask in FACES.items():
            shown = ask(direct_road)
            record_property(f"{fault}: {name}", round(time.monotonic() - began, 1))
            if shown["cause"] != drill.cause or not (name == "metrics" or says_more(drill, shown)):
                wrong[name] = shown
            if shown["ok"]:
                false_ok.append(name)
        false_ok += ["page"] if direct_road.read_word() == "OK" else []
    if Cause.LINK_DOWN in sampler.causes:
        wrong["meanwhile"] = {"cause": Cause.LINK_DOWN}
    record_property(f"{fault}: wrong_cause", len(wrong))
    record_property(f"{fault}: false_ok", len(false_ok))
    assert (wrong, false_ok) == ({}, [])
    direct_road.wait_ok()
