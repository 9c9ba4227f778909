"""Each check of the preflight is content with a good server and names what is wrong with a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from publications.decide.facts import EndpointFacts
from publications.decide.preflight import CHECKS, FAULTS, IDLE_LIMIT_S, find_verdicts
from publications.decide.spec import Room
from publications.decide.verdicts import Outcome, Passfile, ServerSeen, Verdict, find_worst

pytestmark = pytest.mark.unit

FREE = Room(1, 10)
FULL = Room(10, 10)
FACTS = EndpointFacts(180006, "logical", FREE, FREE, FREE, FREE, processes=FREE)
GOOD = ServerSeen(
    "vitrine",
    FACTS,
    publishes=True,
    subscribes=True,
    is_window=True,
    settings={
        "output_plugin_libraries": "pgoutput, test_decoding",
        "wal_sender_timeout": "60000",
        "wal_receiver_timeout": "60000",
        "max_slot_wal_keep_size": "4096",
        "idle_replication_slot_timeout": "0",
    },
    disk_free_bytes=50_000_000_000,
    passfiles=(Passfile("/etc/ponte/pgpass", readable=True, mode=0o600, owned=True),),
    wires={"sub_vps": ""},
    skew_s=0.3,
    host="127.0.0.1",
)


def seeing(facts: Mapping[str, object] | None = None, **changes: object) -> ServerSeen:
    settings = {**GOOD.settings, **dict(changes.pop("settings", {}))}  # type: ignore[call-overload]
    return replace(GOOD, facts=replace(FACTS, **(facts or {})), settings=settings, **changes)  # type: ignore[arg-type]


def found(seen: ServerSeen) -> list[str]:
    return [one.name for one in find_verdicts(seen) if one.outcome is not Outcome.OK]


def passfile(**what: object) -> ServerSeen:
    given = {"readable": True, "mode": 0o600, "owned": True, **what}
    return seeing(passfiles=(Passfile("/etc/ponte/pgpass", **given),))  # type: ignore[arg-type]


BAD: Mapping[str, tuple[ServerSeen, str]] = {
    "a vitrine before 18": (seeing({"version_num": 170010}), "version"),
    "a VPS before 15": (seeing({"version_num": 140020}, is_window=False), "version"),
    "16 with a known fault": (seeing({"version_num": 160013}, is_window=False), "known_faults"),
    "17 with a known fault": (seeing({"version_num": 170009}, is_window=False), "known_faults"),
    "18 with a known fault": (seeing({"version_num": 180003}), "known_faults"),
    "letters that don't fit": (seeing({"encoding": "LATIN1"}), "encoding"),
    "SGP without an encoding": (seeing({"encoding": "SQL_ASCII"}, subscribes=False), "encoding"),
    "another library of letters": (seeing(collation_stale=True), "collation"),
    "a clock that is late": (seeing(skew_s=-7.0), "clock"),
    "a clock that is ahead": (seeing(skew_s=7.0), "clock"),
    "no TLS over the internet": (seeing(host="db.exemplo.com.br"), "tls"),
    "no TLS to an address": (seeing(host="203.0.113.9"), "tls"),
    "no logical decoding": (seeing({"wal_level": "replica"}), "wal_level"),
    "minimal, on 19 too": (seeing({"version_num": 190000, "wal_level": "minimal"}), "wal_level"),
    "pgoutput is not allowed": (seeing(settings={"output_plugin_libraries": "wal2json"}), "output_plugins"),
    "no slot is left": (seeing({"slots": FULL}), "slots"),
    "no sender is left": (seeing({"senders": FULL}), "senders"),
    "no origin is left": (seeing({"origins": FULL}), "origins"),
    "no worker is left": (seeing({"workers": FULL}), "workers"),
    "no process is left": (seeing({"processes": FULL}), "workers"),
    "no table is copied": (seeing({"sync_workers": 0}), "workers"),
    "a sender that waits for ever": (seeing(settings={"wal_sender_timeout": "0"}), "timeouts"),
    "a receiver that waits for ever": (seeing(settings={"wal_receiver_timeout": "0"}), "timeouts"),
    "slots given up soon": (seeing(settings={"idle_replication_slot_timeout": "60"}), "idle_limit"),
    "WAL without a limit": (seeing(settings={"max_slot_wal_keep_size": "-1"}), "keep_size"),
    "a full disk": (seeing(disk_free_bytes=1_000_000_000), "disk"),
    "a queue of notifications that is held": (seeing(notify_usage=0.7, listener="process 7"), "notify_queue"),
    "a prepared transaction": (seeing(prepared=("the prepared transaction 'x'",)), "prepared"),
    "a long writer": (seeing(writers=("process 9",)), "writers"),
    "no passfile": (passfile(readable=None), "passfile"),
    "a passfile that can't be read": (passfile(readable=False), "passfile"),
    "a passfile that others may read": (passfile(mode=0o640), "passfile"),
    "a passfile of somebody else's": (passfile(owned=False), "passfile"),
    "a password that is guessed": (seeing(weak=("ponte_watch (guessed)",)), "passwords"),
    "a wire that others hear": (seeing(wires={"sub_vps": "without sslmode=verify-full"}), "wire"),
}


def test_a_good_server_has_nothing_against_it_in_any_check() -> None:
    verdicts = find_verdicts(GOOD)
    assert [one for one in verdicts if one.outcome is not Outcome.OK or one.hint] == []
    assert {(one.category, one.name) for one in verdicts} == {
        (category, name) for category, checks in CHECKS.items() for name in checks
    }


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_server_is_known_by_one_check_with_a_next_step(fault: str) -> None:
    seen, name = BAD[fault]
    assert found(seen) == [name]
    assert all(one.hint for one in find_verdicts(seen) if one.outcome is Outcome.FOUND)


def test_every_check_is_tried_on_a_bad_server() -> None:
    assert {name for _, name in BAD.values()} == {name for checks in CHECKS.values() for name in checks}


@pytest.mark.parametrize(
    "seen",
    [
        seeing({"version_num": 190000, "wal_level": "replica"}),
        seeing({"version_num": 150002}, is_window=False),
        seeing({"version_num": 160014}, is_window=False),
        seeing({"encoding": "LATIN1"}, subscribes=False),
        seeing(settings={"idle_replication_slot_timeout": str(int(IDLE_LIMIT_S))}),
        seeing(host="203.0.113.9", encrypted=True),
        seeing(host="100.101.102.103"),
        seeing(host="fd7a:115c:a1e0::1"),
        seeing(host="/var/run/postgresql"),
        seeing(disk_free_bytes=None),
        seeing({"wal_level": "replica", "slots": FULL, "senders": FULL}, publishes=False),
        seeing({"origins": FULL, "workers": FULL}, subscribes=False),
        passfile(mode=None, owned=None),
    ],
)
def test_what_is_good_enough_is_well(seen: ServerSeen) -> None:
    assert found(seen) == []


def test_a_setting_that_an_older_server_lacks_is_not_asked_for() -> None:
    assert found(replace(GOOD, settings={"max_slot_wal_keep_size": "1"})) == []


def test_the_known_faults_are_told_with_the_version_that_mends_them() -> None:
    assert FAULTS == {"CVE-2026-6638": {16: 14, 17: 10, 18: 4}}
    [told] = [one for one in find_verdicts(seeing({"version_num": 180003})) if one.name == "known_faults"]
    assert (told.fact, told.hint.split(":")[0]) == (
        "18.3 has the known faults CVE-2026-6638",
        "upgrade it to 18.4 or newer",
    )


def test_the_worst_outcome_decides() -> None:
    verdicts = [Verdict("", "", "", outcome, "") for outcome in Outcome]
    assert find_worst(verdicts) is Outcome.FAILED
    assert find_worst(verdicts[:2]) is Outcome.FOUND
    assert find_worst([]) is Outcome.OK
