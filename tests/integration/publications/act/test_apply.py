"""plan, refuse, apply: on real servers, on correct ones too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from publications.act.perform import BusyError, run_step
from publications.act.release import release
from publications.commands.step_words import describe
from publications.decide.changes.publications import DropSlot
from publications.decide.changes.subscriptions import RefreshSubscription
from publications.decide.spec import SlotSpec
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from tests.fix_road import Road, with_filter


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def plan_lines(road: Road, declaration: Declaration | None = None) -> list[str]:
    return [f"{step.endpoint}: {describe(step)}" for step in road.read(declaration).plan.steps]


GONE = {
    "sgp": (
        "ALTER TABLE pedidos DROP COLUMN observacao CASCADE",
        "sgp has no column public.pedidos.observacao",
    ),
    "vps": (
        "ALTER TABLE vitrine.pedidos DROP COLUMN numero",
        "vps has no column vitrine.pedidos.numero, apply would stop",
    ),
}


@pytest.mark.spoils
@pytest.mark.parametrize("endpoint", GONE)
def test_a_column_that_is_gone_is_refused_by_name(road: Road, endpoint: str) -> None:
    statement, fact = GONE[endpoint]
    road.run(endpoint, statement)
    assert fact in [refusal.fact for refusal in road.read().refusals]


def test_a_new_column_of_sgp_alarms_and_not_a_byte_of_it_leaves(road: Road) -> None:
    secret = "CANARY-cpf-123.456.789-00"
    road.run("sgp", "ALTER TABLE pedidos ADD COLUMN cpf varchar")
    road.run("sgp", "UPDATE pedidos SET cpf = %s", secret)
    road.wait_arrival()
    road.run("vps", "CHECKPOINT")
    assert ["public.pedidos.cpf is not classified" in finding.fact for finding in road.read().findings] == [
        True
    ]
    for name in ("vitrine", "vps"):
        files = [path for path in road.servers.clusters[name].spec.data_dir.rglob("*") if path.is_file()]
        assert len(files) > 500
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
    road.run("sgp", "ALTER TABLE pedidos DROP COLUMN cpf")


def test_a_subscription_commits_as_declared_once_its_tables_are_copied(road: Road) -> None:
    options = (
        "SELECT subname, subsynccommit FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database"
    )
    options += " WHERE datname = current_database())"
    assert road.run("vitrine", options) == [("sub_intake", "on")]
    assert road.run("vps", options) == [("sub_vps", "off")]
    with road.session() as session:
        vps = session.read().live["vps"].subscriptions["sub_vps"]
        run_step(session, RefreshSubscription("vps", vps, ()))
    assert road.run("vps", options) == [("sub_vps", "on")]
    [settling] = road.read().plan.steps
    assert describe(settling) == "settle subscription sub_vps"
    assert road.apply().steps == ()
    assert road.run("vps", options) == [("sub_vps", "off")]


def test_a_filter_is_compared_by_meaning(road: Road) -> None:
    road.apply(with_filter("status <> 'cancelado'"))
    road.wait_arrival()
    [[kept]] = road.run("vitrine", "SELECT count(*) FROM vitrine.pedidos WHERE status <> 'cancelado'")
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos") == [(kept,)]
    for same in ("(STATUS<>'cancelado')", "  status  !=  'cancelado'::text ", "(((status)))<>E'cancelado'"):
        assert plan_lines(road, with_filter(same)) == []
    change = "filter (status <> 'cancelado'::text) -> (status <> 'pronto'::text)"
    lines = plan_lines(road, with_filter("status <> 'pronto'"))
    assert f"vitrine: set published tables pub_vps_pedidos ({change})" in lines
    road.apply()
    assert road.digest("vps") == road.digest("vitrine")


def test_a_row_enters_and_leaves_a_filter_whole(road: Road) -> None:
    filtered = with_filter("status <> 'cancelado'")
    road.apply(filtered)
    for status, there in (("cancelado", []), ("pronto", [(1,)]), ("cancelado", [])):
        road.run("sgp", "UPDATE pedidos SET status = %s WHERE id = 1", status)
        road.wait_arrival()
        assert road.run("vps", "SELECT id FROM vitrine.pedidos WHERE id = 1") == there
    large = [{"descricao": " ".join(str(number * 7919) for number in range(4000))}]
    road.run("sgp", "UPDATE pedidos SET items = %s WHERE id = 1", json.dumps(large))
    road.run("sgp", "UPDATE pedidos SET status = 'pronto' WHERE id = 1")
    road.wait_arrival()
    query = "SELECT items, observacao FROM vitrine.pedidos WHERE id = 1"
    assert road.run("vps", query) == road.run("vitrine", query)
    road.apply()


def test_a_table_that_was_made_anew_is_published_and_copied_again(road: Road) -> None:
    """As an ORM does it: another table under the old name, which has left its publication silently."""
    road.run(
        "sgp",
        "ALTER TABLE pedido_imagens RENAME TO old; CREATE TABLE pedido_imagens (LIKE old INCLUDING ALL);"
        " INSERT INTO pedido_imagens SELECT * FROM old WHERE id % 2 = 0; DROP TABLE old CASCADE",
    )
    assert "sgp: set published tables pub_intake_pedido_imagens (+public.pedido_imagens)" in plan_lines(road)
    road.apply()
    road.wait_arrival()
    expected = road.run("sgp", "SELECT count(*), sum(id) FROM pedido_imagens")
    for name in ("vitrine", "vps"):
        assert road.run(name, "SELECT count(*), sum(id) FROM vitrine.imagens") == expected


def test_a_column_can_be_released_for_sgps_migration_and_restored(road: Road) -> None:
    with road.session() as session:
        release(session, "pedidos.valor_frete", report=lambda _: None)
    road.run("sgp", "ALTER TABLE pedidos ALTER COLUMN valor_frete TYPE text")
    road.run("sgp", "UPDATE pedidos SET valor_frete = '77,00' WHERE id = 1")
    road.wait_arrival()
    assert road.run("vps", "SELECT valor_frete::text FROM vitrine.pedidos WHERE id = 1") != [("77.00",)]
    road.apply()
    road.wait_arrival()
    assert road.run("vps", "SELECT valor_frete::text FROM vitrine.pedidos WHERE id = 1") == [("77.00",)]
    assert plan_lines(road) == []


def test_a_newly_declared_column_is_filled_without_a_copy(road: Road) -> None:
    without = parse_declaration(
        STARTING_PATH.read_text(encoding="utf-8")
        .replace('"forma_envio", "financeiro"', '"financeiro"')
        .replace('"observacao", "forma_envio",\n  "financeiro"', '"observacao",\n  "financeiro"'),
        origin="test",
    )
    road.apply(without)
    road.run("sgp", "UPDATE pedidos SET forma_envio = 'Balsa' WHERE id < 10")
    road.wait_arrival()
    [[copies]] = road.run(
        "vitrine", "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname = 'pedidos'"
    )
    road.apply()
    road.wait_arrival()
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE forma_envio = 'Balsa'") == [(9,)]
    assert road.run(
        "vitrine", "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname = 'pedidos'"
    ) == [(copies,)]
    assert road.digest("vps") == road.digest("vitrine")


ROLES = "# ---------------------------------------------------------------- roles of the services"
OTHER = """
[[exports]]
source = "vitrine"
target = "other"
role = "ponte_export_other"
subscription = "sub_other"
slot = "slot_other"
operations = ["insert", "update", "delete"]
options = { synchronous_commit = "off" }

[[exports.tables]]
name = "vitrine.pedidos"
publication = "pub_other_pedidos"
columns = ["id", "status", "cliente", "versao"]
where = "status = 'pronto'"

[[roles]]
on = "other"
name = "ponte_api"
settings = { default_transaction_read_only = "on", random_page_cost = "1.1" }

[[roles]]
on = "other"
name = "ponte_auth"

[[roles]]
on = "other"
name = "ponte_push"
settings = { statement_timeout = "50s", session_replication_role = "replica" }

[[roles]]
on = "other"
name = "ponte_watch"
settings = { default_transaction_read_only = "on" }
member_of = ["pg_monitor"]

# roles of the services
"""


@contextmanager
def second_subscriber(road: Road) -> Iterator[str]:
    """Have another database on the VPS's server; gives the declaration with its export."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    assert ROLES in text
    road.servers.clusters["other"] = road.servers.clusters["vps"]
    with road.servers.clone("vps", "other"):
        dsns = {**road.settings.dsns, "other": SecretStr(road.servers.clusters["vps"].conninfo("other"))}
        road.settings = replace(road.settings, dsns=dsns)
        yield text.replace(ROLES, OTHER, 1)
    del road.servers.clusters["other"]


def test_a_second_subscriber_has_its_own_view_and_is_removed_cleanly(road: Road) -> None:
    with second_subscriber(road) as both:
        declared = parse_declaration(both, origin="test")
        road.apply(declared)
        expected = road.run(
            "vitrine", "SELECT count(*), sum(id) FROM vitrine.pedidos WHERE status = 'pronto'"
        )
        assert road.run("other", "SELECT count(*), sum(id) FROM vitrine.pedidos") == expected
        assert road.run("other", "SELECT count(*) FROM vitrine.pedidos WHERE numero IS NOT NULL") == [(0,)]
        assert plan_lines(road, declared) == []
        removed = parse_declaration(
            both.replace('target = "other"', 'target = "other"\nremoved = true'), origin="test"
        )
        road.apply(removed, allow_drop=True)
        assert plan_lines(road, removed) == []
        assert road.run("other", "SELECT count(*) FROM pg_subscription WHERE subname = 'sub_other'") == [(0,)]
        assert road.run("vitrine", "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'slot_other'") == []
        assert road.run("vitrine", "SELECT 1 FROM pg_roles WHERE rolname = 'ponte_export_other'") == []
    assert plan_lines(road) == []


def test_an_active_slot_is_never_dropped_by_force(road: Road) -> None:
    """A subscriber that was taken out of the declaration and still follows."""
    text = STARTING_PATH.read_text(encoding="utf-8")
    renamed = parse_declaration(text.replace('"slot_vps"', '"slot_new"'), origin="test")
    with road.session(renamed) as session, pytest.raises(BusyError, match="slot_vps"):
        run_step(session, DropSlot("vitrine", SlotSpec("slot_vps")))
    assert road.run("vitrine", "SELECT active FROM pg_replication_slots WHERE slot_name = 'slot_vps'") == [
        (True,)
    ]
