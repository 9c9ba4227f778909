"""Each fault has its own cause on all faces, from one judgement, and the link's only where it is that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from db.freshness import Cause
from tests.fix_drills import DRILLS, Drill
from tests.fix_watch import Sampler, WatchedRoad

pytestmark = pytest.mark.acceptance


def read_fault(seen: WatchedRoad, drill: Drill, verb: str) -> dict[str, str]:
    """Run `ponte` and return what it says of the drill's fault."""
    shown = json.loads(seen.run_command(verb, "--json")[1])["subscribers"]["vps"]
    assert not shown["ok"]
    faults = [one for one in shown["faults"] if one["cause"] == drill.cause]
    assert drill.cause in shown["causes"], (verb, shown["causes"])
    return next((one for one in faults if one["endpoint"] == drill.endpoint), {})


@pytest.mark.parametrize("fault", DRILLS)
def test_a_fault_has_its_own_cause_on_all_faces(
    direct_road: WatchedRoad, fault: str, record_property: Callable[[str, object], None]
) -> None:
    drill = DRILLS[fault]
    known = direct_road.road.run("vps", "SELECT name FROM pg_settings WHERE name = %s", drill.needs)
    if drill.needs and not known:
        return  # an older server has no such bound
    direct_road.wait_ok()
    with Sampler(direct_road) as sampler, drill.break_(direct_road):
        began = time.monotonic()
        direct_road.road.wait(
            lambda: drill.cause in (direct_road.read_panel().causes or ()), "the panel's cause"
        )
        record_property(f"{fault}: panel", time.monotonic() - began)
        direct_road.road.wait(
            lambda: drill.cause in (direct_road.read_metrics().causes or ()), "the metrics'"
        )
        record_property(f"{fault}: metrics", time.monotonic() - began)
        for verb in ("status", "lag"):
            said = read_fault(direct_road, drill, verb)
            record_property(f"{fault}: {verb}", time.monotonic() - began)
            assert not drill.endpoint or said, (verb, fault)
            assert {key: said[key] for key, part in drill.said.items() if part not in said[key]} == {}
        assert direct_road.read_word() != "OK"
    record_property(f"{fault}: seen", ",".join(sorted(sampler.causes)))
    assert Cause.LINK_DOWN not in sampler.causes
    direct_road.wait_ok()
