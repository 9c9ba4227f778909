"""Broken states that two runs of apply at most bring back in sync, with equal rows on both ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from publications.act.apply import RefusedError
from publications.act.perform import BusyError, run_step
from publications.act.waits import CopyTimeoutError
from publications.decide.changes.publications import CreateSlot
from publications.decide.columns import COMPARED, IDENTITIES, LEFT_TO_THE_DBA, USUAL
from publications.decide.spec import SlotSpec
from tests.fix_gaps import HOPS, delete_somebody, is_there, wait_idle
from tests.fix_road import Road, plan_lines

WINDOW = ("vitrine.pedidos", "vitrine.usuarios", "vitrine.imagens")


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def converge(road: Road) -> None:
    """Apply, at most twice; fail unless all is in sync and both ends hold the same."""
    road.apply()
    if plan_lines(road):
        road.apply()
    assert plan_lines(road) == []
    assert [error.fact for error in road.read().objections] == []
    road.wait_arrival()
    for table in WINDOW:
        assert road.digest("vps", table) == road.digest("vitrine", table)


LOST_A_PUBLICATION = {
    "while it was disabled": ("DISABLE", "DROP PUBLICATION pub_vps_pedidos WITH (refresh = false)"),
    "while it ran": ("DROP PUBLICATION pub_vps_pedidos WITH (refresh = false)",),
    "and its table": ("DROP PUBLICATION pub_vps_pedidos", "DISABLE"),
}


@pytest.mark.parametrize("how", LOST_A_PUBLICATION)
def test_a_subscription_that_lost_a_publication_follows_it_again(road: Road, how: str) -> None:
    for change in LOST_A_PUBLICATION[how]:
        road.run("vps", f"ALTER SUBSCRIPTION sub_vps {change}")
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id < 10", how)
    converge(road)
    [[seen]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE observacao = %s", how)
    assert seen == 9


def test_a_subscription_that_an_upgrade_left_without_tables_copies_them_again(road: Road) -> None:
    """As pg_upgrade from 15 leaves it: disabled, and of no table does it know."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    wait_idle(road, *HOPS["export"])
    road.run("vps", "SET allow_system_table_mods = on; DELETE FROM pg_subscription_rel")
    delete_somebody(road)
    converge(road)


def lose_wal(road: Road) -> None:
    """Let the vitrine write past what it may keep for a VPS that is away."""
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    wait_idle(road, *HOPS["export"])
    road.run("vitrine", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    road.run("vitrine", "SELECT pg_reload_conf()")
    lost = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_vps' AND wal_status = 'lost'"

    def write() -> bool:
        road.run("vitrine", "SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")
        road.run("vitrine", "CHECKPOINT")
        return road.run("vitrine", lost) != []

    road.wait(write, "a lost slot")
    road.run("vitrine", "ALTER SYSTEM RESET max_slot_wal_keep_size")
    road.run("vitrine", "SELECT pg_reload_conf()")


@pytest.mark.parametrize("found", ["disabled", "enabled"])
def test_a_lost_slot_is_planned_and_made_anew(road: Road, found: str) -> None:
    lose_wal(road)
    if found == "enabled":
        road.run("vps", "ALTER SUBSCRIPTION sub_vps ENABLE")
    gone = delete_somebody(road)
    road.run("sgp", "UPDATE pedidos SET observacao = 'sem fila' WHERE id < 10")
    lines = plan_lines(road)
    assert "vitrine: renew slot slot_vps (its WAL is lost: all that it feeds is copied again)" in lines
    assert "vps: copy again vitrine.pedidos by sub_vps" in lines
    converge(road)
    assert not is_there(road, "vps", gone)


def advance_origin(road: Road, target: str, source: str, subscription: str) -> None:
    """Have a subscriber remember more of its source's WAL than the source has written."""
    road.run(target, f"ALTER SUBSCRIPTION {subscription} DISABLE")
    runs = "SELECT 1 FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%%worker'"
    road.wait(lambda: road.run(target, f"{runs} AND datname = current_database()") == [], "no worker")
    [[ahead]] = road.run(source, "SELECT (pg_current_wal_lsn() + 1073741824)::text")
    origin = "SELECT pg_replication_origin_advance('pg_' || oid, %s::pg_lsn) FROM pg_subscription"
    road.run(target, f"{origin} WHERE subname = %s", ahead, subscription)
    road.run(target, f"ALTER SUBSCRIPTION {subscription} ENABLE")


@pytest.mark.parametrize("hop", HOPS)
def test_a_source_whose_wal_is_behind_its_subscriber_is_followed_anew(road: Road, hop: str) -> None:
    """Put back to an earlier moment; its slot may even have been told to pass over what comes now."""
    source, slot, target, subscription = HOPS[hop]
    advance_origin(road, target, source, subscription)
    gone = delete_somebody(road)
    lines = plan_lines(road)
    assert (
        f"{source}: renew slot {slot} ({target} is ahead of it: all that it feeds is copied again)" in lines
    )
    converge(road)
    assert not is_there(road, "vps", gone)


@pytest.mark.spoils
def test_a_vitrine_that_gave_older_versions_gives_newer_ones(road: Road) -> None:
    [[held]] = road.run("vps", "SELECT max(versao) + 1000 FROM vitrine.pedidos")
    with road.connect("vps") as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE vitrine.pedidos SET versao = %s", [held])
    road.run("sgp", "UPDATE pedidos SET observacao = 'depois' WHERE id < 10")
    assert any(line.startswith("vitrine: renew versions") for line in plan_lines(road))
    converge(road)


@contextmanager
def held(road: Road, how: str) -> Iterator[str]:
    """Have a transaction that has written stand open in SGP; give the words that name it."""
    with road.connect("sgp") as conn:
        conn.execute("BEGIN")
        conn.execute("UPDATE pedidos SET observacao = observacao WHERE id = 1")
        if how == "prepared":
            conn.execute("PREPARE TRANSACTION 'esquecida'")
        pid = conn.info.backend_pid
        try:
            yield "the prepared transaction 'esquecida'" if how == "prepared" else f"process {pid} (idle in"
        finally:
            conn.execute("ROLLBACK PREPARED 'esquecida'" if how == "prepared" else "ROLLBACK")


@pytest.mark.parametrize("how", ["prepared", "idle"])
def test_who_holds_the_making_of_a_slot_back_is_named(
    road: Road, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("publications.act.perform.LOCK_TIMEOUT_MS", 2500)
    monkeypatch.setattr("publications.act.perform.LOCK_TRIES", 1)
    slot = CreateSlot("sgp", SlotSpec("slot_probe"))
    with held(road, how) as named, road.session() as session:
        with pytest.raises(BusyError) as refused:
            run_step(session, slot)
        assert named in refused.value.fact
        assert "in sgp, for " in refused.value.fact
        assert (
            "ROLLBACK PREPARED 'esquecida'" if how == "prepared" else "pg_terminate"
        ) in refused.value.hint


def test_a_copy_that_waits_for_a_transaction_is_bounded_and_names_it(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publications.act.waits.STALL_S", 4)
    with held(road, "prepared") as named:
        road.run("vitrine", "ALTER SUBSCRIPTION sub_intake DROP PUBLICATION pub_intake_user")
        with pytest.raises(CopyTimeoutError) as refused:
            road.apply()
        assert f"first public.user, and nothing came for 4 s; on sgp there is {named}" in refused.value.fact
    converge(road)


FEW = {
    "max_logical_replication_workers": 0,
    "max_worker_processes": 1,
    "max_sync_workers_per_subscription": 0,
}


@pytest.mark.parametrize("setting", FEW)
def test_a_subscriber_with_too_few_processes_is_told_by_the_settings_name(road: Road, setting: str) -> None:
    cluster = road.servers.clusters["vps"]
    road.run("vps", f"ALTER SYSTEM SET {setting} = {FEW[setting]}")
    try:
        cluster.stop("fast")
        cluster.start()
        facts = [refusal.fact for refusal in road.read().refusals]
        assert [fact for fact in facts if fact.startswith(f"vps has {setting} = {FEW[setting]}")] == facts
        with pytest.raises(RefusedError, match=setting):
            road.apply()
    finally:
        road.run("vps", f"ALTER SYSTEM RESET {setting}")
        cluster.stop("fast")
        cluster.start()
    converge(road)


CATALOGS = ("pg_subscription", "pg_publication", "pg_publication_rel")


@pytest.mark.parametrize("catalog", CATALOGS)
@pytest.mark.parametrize("name", ["sgp", "vitrine", "vps"])
def test_every_column_of_a_catalog_is_compared_or_left_by_name(road: Road, name: str, catalog: str) -> None:
    """A new version's new column fails here until somebody has said which it is."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
    columns = {column for (column,) in road.run(name, query, catalog)}
    known = [
        *(COMPARED[catalog], IDENTITIES[catalog], USUAL[catalog].keys(), LEFT_TO_THE_DBA[catalog].keys())
    ]
    assert columns - set().union(*known) == set()
    assert sum(map(len, known)) == len(set().union(*known)), "a column stands in two of them"


UNUSUAL = {
    "suborigin": ("vps", "ALTER SUBSCRIPTION sub_vps SET (origin = none)", 160000),
    "subrunasowner": ("vps", "ALTER SUBSCRIPTION sub_vps SET (run_as_owner = true)", 160000),
    "subskiplsn": ("vps", "ALTER SUBSCRIPTION sub_vps SKIP (lsn = 'FFFF/0')", 150000),
    "subowner": ("vps", "UPDATE pg_subscription SET subowner = 'ponte_api'::regrole", 150000),
    "pubviaroot": (
        "vitrine",
        "ALTER PUBLICATION pub_vps_pedidos SET (publish_via_partition_root = true)",
        150000,
    ),
    "pubgencols": (
        "vitrine",
        "ALTER PUBLICATION pub_vps_pedidos SET (publish_generated_columns = stored)",
        180000,
    ),
    "pubowner": ("sgp", "UPDATE pg_publication SET pubowner = 'ponte_worker'::regrole", 150000),
}


@pytest.mark.parametrize("column", UNUSUAL)
def test_a_value_that_nobody_declares_is_told_and_set_right(road: Road, column: str) -> None:
    name, statement, since = UNUSUAL[column]
    with road.connect(name) as conn:
        if conn.info.server_version < since:
            known = "SELECT attname FROM pg_attribute WHERE attname = %s"
            assert conn.execute(known, [column]).fetchall() == []
            return
        conn.execute(statement.encode())
    assert any(f"{name}: reset column {column} of " in line for line in plan_lines(road))
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id < 10", column)
    converge(road)
    query = "SELECT count(*) FROM vitrine.pedidos WHERE observacao = %s"
    assert road.run("vps", query, column) == [(9,)]
    [[owners]] = road.run(
        name,
        "SELECT count(*) FROM pg_roles r WHERE NOT r.rolsuper AND r.oid IN (SELECT pubowner FROM"
        " pg_publication UNION SELECT subowner FROM pg_subscription)",
    )
    assert owners == 0


def test_a_subscription_of_two_phases_is_found(road: Road) -> None:
    with road.connect("vps") as conn:
        conn.execute("UPDATE pg_subscription SET subtwophasestate = 'e'")
        try:
            [fact] = [error.fact for error in road.read().findings]
        finally:
            conn.execute("UPDATE pg_subscription SET subtwophasestate = 'd'")
    assert fact.startswith("subscription sub_vps on vps has subtwophasestate = e, not d: a prepared")
