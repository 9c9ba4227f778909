"""Who has stolen the VPS's credential: what he may not, how much he may at most, and how he shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from publications.act.apply import LOCK_KEY
from publications.decide.roles import CARRIER_CONNECTIONS
from publications.faces.machine import to_nagios
from publications.panel import metrics
from publications.panel.page import make_page
from publications.panel.poller import Polled
from publications.watch.checks import CheckKind, Level, check_view
from publications.watch.road import look_once
from tests.fix_clusters import PORTS
from tests.fix_road import ROLE_PASSWORD, Road, plan_lines
from tests.fix_watch import watch_dsns

WAYS = {"SQL": "", "replication": "database"}
DENIED = {
    "WAL of his own": "SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000))",
    "a table of his own": "CREATE TEMP TABLE mine AS SELECT 1",
    "a large object": "SELECT lo_from_bytea(0, 'x')",
    "another large object": "SELECT lo_create(0)",
    "apply's lock": f"SELECT pg_try_advisory_lock({LOCK_KEY})",
    "apply's lock, for a transaction": f"SELECT pg_advisory_xact_lock({LOCK_KEY})",
    "the feeder's lock": "SELECT pg_advisory_lock_shared(hashtext('ponte-feeder'))",
    "more room on the disk": "SET temp_file_limit = -1",
}


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def steal(road: Road, subscription: str, *, dbname: str | None = None, way: str = "") -> psycopg.Connection:
    """Come in as the thief of a subscription's credential does."""
    hop = next(one for one in road.declaration.hops if one.subscription == subscription)
    given = {"host": "127.0.0.1", "dbname": dbname or hop.source, "user": hop.role}
    told = make_conninfo(
        "", **given, port=PORTS[hop.source], password=ROLE_PASSWORD, **({"replication": way} if way else {})
    )
    return psycopg.connect(told, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.ClientCursor)


@contextmanager
def stolen(road: Road, subscription: str = "sub_vps", *, way: str = "") -> Iterator[psycopg.Connection]:
    with steal(road, subscription, way=way) as thief:
        yield thief


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_export_credential_may_only_receive(road: Road, way: str) -> None:
    allowed = []
    with stolen(road, way=way) as thief:
        for what, statement in DENIED.items():
            try:
                thief.execute(statement.encode())
                allowed.append(what)
            except errors.InsufficientPrivilege:
                continue
    assert allowed == []


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_export_credential_enters_no_other_database(road: Road, way: str) -> None:
    for dbname in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            steal(road, "sub_vps", dbname=dbname, way=way).close()


def take_all(road: Road, subscription: str, opened: ExitStack) -> None:
    for _ in range(CARRIER_CONNECTIONS + 1):
        opened.enter_context(steal(road, subscription))


@pytest.mark.parametrize("subscription", ["sub_intake", "sub_vps"])
def test_a_carriers_credential_leaves_sessions_for_others(road: Road, subscription: str) -> None:
    hop = next(one for one in road.declaration.hops if one.subscription == subscription)
    with ExitStack() as opened:
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            take_all(road, subscription, opened)
        assert road.run(hop.source, "SELECT 1") == [(1,)]
    road.wait_arrival()


@pytest.mark.parametrize("subscription", ["sub_intake", "sub_vps"])
def test_a_carriers_query_fills_no_disk(road: Road, subscription: str) -> None:
    much = (
        "SELECT count(*) FROM (SELECT DISTINCT repeat(n::text, 90) FROM generate_series(1, 400000) AS n) AS t"
    )
    with stolen(road, subscription) as thief:
        thief.execute("SET work_mem = '64kB'")
        with pytest.raises(errors.ConfigurationLimitExceeded):
            thief.execute(much.encode())


SLOTS = {
    "theirs_by_sql": ("", "SELECT pg_create_physical_replication_slot('theirs_by_sql', true)"),
    "theirs": ("database", "CREATE_REPLICATION_SLOT theirs PHYSICAL RESERVE_WAL"),
    "theirs_logical": ("database", "CREATE_REPLICATION_SLOT theirs_logical LOGICAL pgoutput"),
    "slot_theirs": ("database", "CREATE_REPLICATION_SLOT slot_theirs PHYSICAL RESERVE_WAL"),
}


@pytest.mark.parametrize("subscription", ["sub_intake", "sub_vps"])
def test_slots_that_nobody_declared_are_found_by_their_names(road: Road, subscription: str) -> None:
    source = next(one.source for one in road.declaration.hops if one.subscription == subscription)
    for name, (way, statement) in SLOTS.items():
        with stolen(road, subscription, way=way) as thief:
            thief.execute(statement.encode())
        [fact] = [one.fact for one in road.read().findings]
        road.run(source, "SELECT pg_drop_replication_slot(%s)", name)
        assert fact.startswith(f"{source} has a ")
        assert "keeps WAL" in fact
        assert name in fact


def test_a_slot_that_nobody_declared_is_on_every_face(road: Road) -> None:
    with stolen(road, way="database") as thief:
        thief.execute("CREATE_REPLICATION_SLOT theirs PHYSICAL RESERVE_WAL")
    dsns = watch_dsns(PORTS["vps"], road.servers)
    seen = look_once(road.declaration, dsns)
    road.run("vitrine", "SELECT pg_drop_replication_slot('theirs')")
    checks = check_view(seen)
    [found] = [one for one in checks if one.kind is CheckKind.SLOT_UNDECLARED]
    assert (found.subject, found.level) == ("theirs", Level.WARNING)
    assert "vitrine has a physical slot that nobody declared" in to_nagios(seen, checks)
    page = make_page(Polled(seen, time.time(), time.monotonic()))
    assert [alarm for alarm in page.alarms if "Fila theirs em vitrine" in alarm]
    families = {family.name: family for family in metrics.collect(seen, 1.0, 0.0)}
    [sample] = families[metrics.SLOT_UNDECLARED.name].samples
    assert sample.labels == {"endpoint": "vitrine", "slot": "theirs"}
    after = check_view(look_once(road.declaration, dsns))
    assert [one for one in after if one.kind is CheckKind.SLOT_UNDECLARED] == []


def test_a_temporary_slot_is_found_while_it_keeps_wal(road: Road) -> None:
    with stolen(road, way="database") as thief:
        thief.execute("CREATE_REPLICATION_SLOT theirs TEMPORARY PHYSICAL RESERVE_WAL")
        [finding] = road.read().findings
    road.wait(lambda: road.read().findings == (), "the thief's session ends")
    assert finding.fact == "vitrine has a physical slot that is not Ponte's, and keeps WAL: theirs (active)"


def test_another_ones_slot_that_was_dropped_is_missed_at_once(road: Road) -> None:
    """PostgreSQL takes it from nobody who replicates: it shows, and one apply mends it."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    with stolen(road, way="database") as thief:
        road.wait(lambda: _drops(thief, "slot_vps"), "the slot is free")
    assert any("slot_vps" in line for line in plan_lines(road))
    road.apply()
    road.wait_arrival()


def _drops(thief: psycopg.Connection, slot: str) -> bool:
    try:
        thief.execute(f"DROP_REPLICATION_SLOT {slot}".encode())
    except errors.ObjectInUse:
        return False
    return True


def test_what_is_opened_to_all_again_is_closed_by_apply(road: Road) -> None:
    road.run("vitrine", "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
    road.run("vitrine", "GRANT TEMPORARY ON DATABASE vitrine TO PUBLIC")
    road.run("vitrine", "ALTER ROLE ponte_export_vps CONNECTION LIMIT -1")
    assert plan_lines(road) == [
        "vitrine: alter role ponte_export_vps (connections -1 -> 8)",
        "vitrine: close to all execute on pg_catalog.lo_create, temporary on vitrine",
    ]
    road.apply()
    assert plan_lines(road) == []


def test_sgps_own_rights_are_left_as_they_are(road: Road) -> None:
    """Of SGP's server only our role is ours to bound."""
    query = "SELECT has_function_privilege('public', 'lo_create(oid)', 'EXECUTE')"
    assert road.run("sgp", query) == [(True,)]
