"""A VPS's database in other hands: the watch says so in a sentence, soon, and holds no more than a bound."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from db.waiting import wait_until
from publications.decide.spec import Room, StrangeSlot
from publications.watch.beat import Beat
from publications.watch.follower import Follower
from publications.watch.rare import LastError
from publications.watch.reading import SUBSCRIBER, EndpointReading
from publications.watch.sanity import check_last_error, check_reading
from tests.hostile_postgres import TALKS, run_hostile_postgres

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(120)]

MOST_KB = 64 * 1024
PATIENCE_S = 60.0
FOLLOW = """
import json, sys
from pydantic import SecretStr
from db import bounded
from db.waiting import wait_until
from publications.watch.follower import Follower
from publications.watch.reading import SUBSCRIBER

def peak_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

bounded.LONGEST_S = 2.0
before = peak_kb()
follower = Follower("vps", SecretStr(sys.argv[1]), SUBSCRIBER, interval_s=0.1, unanswered_s=30)
follower.start()
assert wait_until(lambda: follower.look().failure != "", 60)
sight = follower.look()
print(json.dumps({"failure": sight.failure, "hint": sight.hint, "kb": peak_kb() - before}))
"""


@pytest.mark.parametrize("name", TALKS)
def test_no_server_costs_the_watch_more_than_a_sentence(name: str) -> None:
    with run_hostile_postgres(TALKS[name]) as server:
        done = subprocess.run(
            [sys.executable, "-c", FOLLOW, server.dsn],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "vps" in told["failure"]
    assert len(told["failure"]) < 1000
    assert told["hint"]
    assert told["kb"] < MOST_KB


def follow(dsn: str) -> Follower:
    return Follower("vps", SecretStr(dsn), SUBSCRIBER, interval_s=0.1, unanswered_s=30)


def test_a_server_that_accepts_and_says_nothing_is_silent() -> None:
    with run_hostile_postgres(TALKS["silence"], lets_in=False) as server:
        follower = follow(server.dsn)
        follower.start()
        try:
            assert wait_until(lambda: follower.look().failure != "", PATIENCE_S)
            assert not follower.look().answers
        finally:
            follower.stop()


NOW = datetime(2026, 11, 29, tzinfo=UTC)
GOOD = EndpointReading("vps", NOW, 180006, 10, None, {"slots": Room(1, 10)}, (), (), Beat(1, NOW, NOW, NOW))
ABSURD: dict[str, dict[str, Any]] = {
    "a clock without a zone": {"now": NOW.replace(tzinfo=None)},
    "a clock that is a number": {"now": "soon"},
    "a version of words": {"version_num": "new"},
    "more bytes than there are": {"wal_bytes": 10**30},
    "a queue that is no number": {"notify_usage": float("nan")},
    "an endless pause": {"retry_s": float("inf")},
    "a room of nothing": {"rooms": {"slots": Room(None, "x")}},  # type: ignore[arg-type]
    "a name of a megabyte": {"strange_slots": (StrangeSlot("x" * 1_000_000, "physical", active=True),)},
    "more slots than anybody reads": {
        "strange_slots": tuple(StrangeSlot(f"s{number}", "physical", active=True) for number in range(20_000))
    },
    "a beat of words": {"beat": Beat("x", NOW, NOW, NOW)},  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", ABSURD)
def test_what_cannot_be_is_not_believed(name: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        check_reading(replace(GOOD, **ABSURD[name]))


def test_what_can_be_is_believed_as_it_is() -> None:
    assert check_reading(GOOD) == GOOD


def test_a_servers_words_are_cut() -> None:
    found = check_last_error(LastError(1.0, "XX000 and more", "e" * 1_000_000))
    assert found is not None
    assert found.said is not None
    assert (len(found.sqlstate), len(found.said)) == (5, 500)
