"""A road that is built step by step: apply ended or killed meanwhile, and by an older declaration first."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from db import lifetime
from publications.act.apply import apply
from publications.commands.step_words import describe
from publications.decide.changes.roles import AddGrants
from publications.decide.changes.step import Step
from publications.declare.declaration import STARTING_PATH, parse_declaration
from tests.fix_gaps import HOPS, Killed, beat_at, lose_changes, read_notes
from tests.fix_road import Road


def plan_lines(road: Road) -> list[str]:
    return [f"{step.endpoint}: {describe(step)}" for step in road.read().plan.steps]


KILLED_APPLY = """
import os, signal, sys, json  # as a user's command would be: a process of its own
from pydantic import SecretStr
from publications.act.apply import apply
from publications.declare.declaration import STARTING_PATH, read_declaration
from publications.act.endpoints import Endpoints
from publications.settings import PublicationsSettings

given = json.load(sys.stdin)
settings = PublicationsSettings(
    dsns={name: SecretStr(dsn) for name, dsn in given["dsns"].items()},
    conninfos=given["conninfos"],
    passwords={tuple(key.split("/")): SecretStr(value) for key, value in given["passwords"].items()},
)
left = int(sys.argv[1])

def report(step):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Endpoints(read_declaration(STARTING_PATH), settings) as session:
    apply(session, allow_drop=False, report=report)
"""


def test_apply_ended_at_each_step_goes_on(unapplied_road: Road) -> None:
    """Each run ends as it begins its second step, so that the next one takes over after the first.

    Grants, which are many and alike, are taken in one go.
    """
    road = unapplied_road

    def die_at_the_second(step: Step) -> None:
        taken.extend([] if isinstance(step, AddGrants) else [step])
        if len(taken) > 1:
            raise Killed

    ended = 0
    while True:
        taken: list[Step] = []
        try:
            with road.session() as session:
                apply(session, allow_drop=False, report=die_at_the_second)
            break
        except Killed:
            ended += 1
    assert ended > 20
    assert road.apply().steps == ()
    road.wait(lambda: plan_lines(road) == [], "an empty plan")
    road.wait_arrival()
    road.wait(lambda: road.digest("vps") == road.digest("vitrine"), "the same on both ends")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_apply_killed_in_its_process_goes_on(unapplied_road: Road) -> None:
    road = unapplied_road
    given = {
        "dsns": {name: dsn.get_secret_value() for name, dsn in road.settings.dsns.items()},
        "conninfos": {name: dict(conninfo) for name, conninfo in road.settings.conninfos.items()},
        "passwords": {
            "/".join(key): value.get_secret_value() for key, value in road.settings.passwords.items()
        },
    }
    codes = [_run_apply(given, steps) for steps in (1, 15, 15, 15, 1000)]
    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert road.apply().steps == ()
    road.wait(lambda: plan_lines(road) == [], "an empty plan")
    road.wait(lambda: road.digest("vps") == road.digest("vitrine"), "the same on both ends")


def _run_apply(given: object, steps: int) -> int:
    """Apply in a process that kills itself after so many steps; return its exit code."""
    run = subprocess.run(
        lifetime.tie([sys.executable, "-c", KILLED_APPLY, str(steps)]),
        input=json.dumps(given),
        text=True,
        cwd=Path(__file__).parents[4],
        check=False,
    )
    return run.returncode


def test_a_count_that_is_sent_later_leaves_no_gap(unapplied_road: Road) -> None:
    """An upgrade with beats under way that don't have it yet."""
    road, text = unapplied_road, STARTING_PATH.read_text(encoding="utf-8")
    assert '"landings", ' in text
    older = parse_declaration(text.replace('"landings", ', ""), origin="test")
    road.apply(older)
    road.wait_arrival()
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    for _ in range(3):
        beat_at(road, "vitrine")

    def report(step: Step) -> None:
        beat_at(road, "vitrine")

    road.link.cut()  # the count is filled in and the beats before it have not come
    with road.session() as session:
        apply(session, allow_drop=False, report=report)
    road.link.heal()
    road.wait_arrival()
    landings = [road.run(name, "SELECT landings FROM vitrine.heartbeat") for name in ("vitrine", "vps")]
    assert landings[0] == landings[1] != [(None,)]
    assert read_notes(road) == {"vitrine": 0, "vps": 0}
    lose_changes(road, *HOPS["export"])
    assert read_notes(road)["vps"] == 1
