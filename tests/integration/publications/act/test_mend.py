"""Hand edits, leftovers and reasons to refuse, each named; the tests share one road and mend it."""

from __future__ import annotations

import pytest

from db.errors import PonteError
from publications.act.apply import RefusedError, apply, hold_lock
from publications.act.perform import BusyError
from publications.commands.step_words import describe
from publications.declare.declaration import STARTING_PATH, parse_declaration
from tests.fix_road import Road, with_filter


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def plan_lines(road: Road) -> list[str]:
    return [f"{step.endpoint}: {describe(step)}" for step in road.read().plan.steps]


def test_a_second_plan_is_empty_and_a_second_apply_does_nothing(road: Road) -> None:
    reading = road.read()
    assert reading.plan.steps == ()
    assert reading.objections == ()
    assert road.apply().steps == ()


@pytest.mark.parametrize(
    ("where", "fact"),
    [
        ("numero = '1'", "the filter of pub_vps_pedidos reads vitrine.pedidos.numero, which may be NULL"),
        ("cursor > 1", "the server refuses the filter of vitrine.pedidos"),
        ("now() > '2020-01-01'", "the server refuses the filter of vitrine.pedidos"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(road: Road, where: str, fact: str) -> None:
    try:
        facts = [refusal.fact for refusal in road.read(with_filter(where)).refusals]
    except PonteError as error:  # a filter that the server does not even read
        facts = [error.fact]
    assert any(found.startswith(fact) for found in facts)


HAND_EDITS = {
    "a column taken from a publication": (
        "sgp",
        'ALTER PUBLICATION pub_intake_user SET TABLE public."user" (id, username, is_admin)',
        "sgp: set published tables pub_intake_user (+is_active, +setor)",
    ),
    "a publication dropped": (
        "vitrine",
        "DROP PUBLICATION pub_vps_usuarios",
        "vitrine: create publication pub_vps_usuarios",
    ),
    "operations changed": (
        "vitrine",
        "ALTER PUBLICATION pub_vps_pedidos SET (publish = 'insert')",
        "vitrine: set operations pub_vps_pedidos (insert -> delete, insert, update)",
    ),
    "a filter added": (
        "vitrine",
        "ALTER PUBLICATION pub_vps_heartbeat SET TABLE vitrine.heartbeat"
        " (id, beat, beat_at, landed_at, landings, versao) WHERE (id > 0)",
        "vitrine: set published tables pub_vps_heartbeat (filter (id > 0) -> none)",
    ),
    "a grant too many": (
        "sgp",
        'GRANT SELECT (password_plain) ON public."user" TO ponte_intake',
        "sgp: revoke grants select (password_plain) on table public.user for ponte_intake",
    ),
    "a grant on a whole table": (
        "sgp",
        'GRANT SELECT ON public."user" TO ponte_intake',
        "sgp: revoke grants select on table public.user for ponte_intake",
    ),
    "a grant too few": (
        "vps",
        "REVOKE SELECT ON vitrine.imagens FROM ponte_api",
        "vps: add grants select on table vitrine.imagens for ponte_api",
    ),
    "a role that may more": (
        "sgp",
        "ALTER ROLE ponte_intake CREATEDB",
        "sgp: alter role ponte_intake (-createdb)",
    ),
    "a role that may everything": (
        "vps",
        "ALTER ROLE ponte_api SUPERUSER CREATEDB CREATEROLE BYPASSRLS REPLICATION",
        "vps: alter role ponte_api (replication True -> False,"
        " -bypassrls, -createdb, -createrole, -superuser)",
    ),
    "a role in another": (
        "vps",
        "GRANT pg_read_all_data TO ponte_api",
        "vps: alter role ponte_api (-member of pg_read_all_data)",
    ),
    "a role out of its group": (
        "vps",
        "REVOKE pg_monitor FROM ponte_watch",
        "vps: alter role ponte_watch (+member of pg_monitor)",
    ),
    "another identity in the window": (
        "vitrine",
        "ALTER TABLE vitrine.pedidos REPLICA IDENTITY FULL",
        "vitrine: set identity vitrine.pedidos (full or nothing -> id)",
    ),
    "a landing column gone": (
        "vitrine",
        "ALTER TABLE public.pedidos DROP COLUMN numero",
        "vitrine: add column public.pedidos.numero text",
    ),
    "a landing column of another type": (
        "vitrine",
        "ALTER TABLE public.pedidos ALTER COLUMN numero TYPE varchar",
        "vitrine: alter column type public.pedidos.numero text",
    ),
    "a projection's trigger gone": (
        "vitrine",
        "DROP TRIGGER project ON public.pedidos",
        "vitrine: set trigger project on public.pedidos (all rows projected again)",
    ),
    "a projection's trigger that replication does not fire": (
        "vitrine",
        "ALTER TABLE public.pedidos ENABLE TRIGGER project",
        "vitrine: set trigger project on public.pedidos (all rows projected again)",
    ),
    "a subscription disabled": (
        "vps",
        "ALTER SUBSCRIPTION sub_vps DISABLE",
        "vps: enable subscription sub_vps",
    ),
    "a subscription without a slot's name": (
        "vps",
        "ALTER SUBSCRIPTION sub_vps DISABLE; ALTER SUBSCRIPTION sub_vps SET (slot_name = NONE)",
        "vps: set subscription slot sub_vps",
    ),
    "a subscription's options": (
        "vps",
        "ALTER SUBSCRIPTION sub_vps SET (streaming = on)",
        "vps: set subscription options sub_vps (+streaming off, -streaming on)",
    ),
}


@pytest.mark.parametrize("edit", HAND_EDITS)
def test_a_hand_edit_is_named_and_mended(road: Road, edit: str) -> None:
    endpoint, statement, line = HAND_EDITS[edit]
    road.run(endpoint, statement)
    assert line in plan_lines(road)
    road.apply()
    road.wait_arrival()
    assert road.digest("vps") == road.digest("vitrine")


def test_what_changed_while_updates_were_not_sent_arrives(road: Road) -> None:
    road.run("vitrine", "ALTER PUBLICATION pub_vps_pedidos SET (publish = 'insert')")
    [[before]] = road.run("sgp", "SELECT observacao FROM pedidos WHERE id = 5")
    road.run("sgp", "UPDATE pedidos SET observacao = 'entretanto' WHERE id = 5")
    road.wait_arrival()
    missed = "SELECT 1 FROM vitrine.pedidos WHERE observacao = 'entretanto'"
    assert road.run("vitrine", missed) == [(1,)]
    assert road.run("vps", missed) == [], "it was sent all the same"
    road.apply()
    road.wait_arrival()
    assert road.run("vps", missed) == [(1,)]
    assert road.digest("vps") == road.digest("vitrine")
    road.run("sgp", "UPDATE pedidos SET observacao = %s WHERE id = 5", before)
    road.wait_arrival()


LEFTOVERS = {
    "publication": (
        "sgp",
        "CREATE PUBLICATION pub_old FOR TABLE pedidos (id)",
        "sgp: drop publication pub_old",
    ),
    "slot": (
        "vitrine",
        "SELECT pg_create_logical_replication_slot('slot_old', 'pgoutput')",
        "vitrine: drop slot slot_old",
    ),
    "slot of a table's copy": (
        "vitrine",
        "SELECT pg_create_logical_replication_slot('pg_1_sync_2_3', 'pgoutput')",
        "vitrine: drop slot pg_1_sync_2_3",
    ),
    "role": ("vps", "CREATE ROLE ponte_old LOGIN", "vps: drop role ponte_old"),
    "origin": (
        "vps",
        "SET allow_system_table_mods = on; INSERT INTO pg_replication_origin VALUES (999, 'pg_999999')",
        "vps: drop origin pg_999999",
    ),
}


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_leftover_goes_only_when_dropping_is_allowed(road: Road, kind: str) -> None:
    endpoint, statement, line = LEFTOVERS[kind]
    road.run(endpoint, statement)
    assert plan_lines(road) == [line]
    assert road.apply().steps == ()
    assert plan_lines(road) == [line]
    road.apply(allow_drop=True)


def _deferrable(endpoint: str, table: str) -> tuple[str, str, str, str]:
    key = table.split(".")[1] + "_pkey"
    return (
        endpoint,
        f"ALTER TABLE {table} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} PRIMARY KEY (id) DEFERRABLE",
        f"{endpoint}'s table {table} has the deferrable primary key {key}, which can't name a row",
        f"ALTER TABLE {table} DROP CONSTRAINT {key}, ADD PRIMARY KEY (id)",
    )


REFUSED = {
    "deferrable key in SGP": _deferrable("sgp", "public.pedido_imagens"),
    "deferrable key on landing": _deferrable("vitrine", "public.pedidos"),
    "deferrable key in the window": _deferrable("vitrine", "vitrine.usuarios"),
    "deferrable key on the VPS": _deferrable("vps", "vitrine.pedidos"),
    "no key at all": (
        "sgp",
        "ALTER TABLE pedido_imagens DROP CONSTRAINT pedido_imagens_pkey",
        "sgp's table public.pedido_imagens has no primary key",
        "ALTER TABLE pedido_imagens ADD PRIMARY KEY (id)",
    ),
    "identity of SGP's table": (
        "sgp",
        "ALTER TABLE pedidos REPLICA IDENTITY FULL",
        "sgp's table public.pedidos does not name its rows by its primary key",
        "ALTER TABLE pedidos REPLICA IDENTITY DEFAULT",
    ),
    "row security": (
        "sgp",
        "ALTER TABLE pedidos ENABLE ROW LEVEL SECURITY",
        "row security on sgp's table public.pedidos hides its rows from ponte_intake",
        "ALTER TABLE pedidos DISABLE ROW LEVEL SECURITY",
    ),
    "renamed column": (
        "sgp",
        "ALTER TABLE pedidos RENAME COLUMN cliente TO nome",
        "sgp has renamed public.pedidos.cliente to nome; apply stands still since the next change",
        "ALTER TABLE pedidos RENAME COLUMN nome TO cliente",
    ),
    "subscriber's column of another type": (
        "vps",
        "ALTER TABLE vitrine.pedidos ALTER COLUMN numero TYPE varchar",
        "vitrine.pedidos.numero is text on vitrine and character varying on vps",
        "ALTER TABLE vitrine.pedidos ALTER COLUMN numero TYPE text",
    ),
    "foreign key": (
        "vps",
        "ALTER TABLE vitrine.imagens ADD CONSTRAINT fk FOREIGN KEY (pedido_id)"
        " REFERENCES vitrine.pedidos NOT VALID",
        "vps's table vitrine.imagens has the foreign key fk",
        "ALTER TABLE vitrine.imagens DROP CONSTRAINT fk",
    ),
    "trigger function without search_path": (
        "vps",
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        " CREATE TRIGGER loose BEFORE INSERT ON vitrine.imagens FOR EACH ROW EXECUTE FUNCTION public.f()",
        "vps's table vitrine.imagens has the trigger function public.f without a search_path",
        "DROP FUNCTION public.f() CASCADE",
    ),
    "trigger function with another setting": (
        "vps",
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql SET work_mem = '4MB'"
        " AS 'BEGIN RETURN new; END';"
        " CREATE TRIGGER loose BEFORE INSERT ON vitrine.imagens FOR EACH ROW EXECUTE FUNCTION public.f()",
        "vps's table vitrine.imagens has the trigger function public.f without a search_path",
        "DROP FUNCTION public.f() CASCADE",
    ),
    "another database in the exporting cluster": (
        "vitrine",
        "CREATE DATABASE folha",
        "vitrine's cluster holds database folha, and whoever replicates from it can read that",
        "DROP DATABASE folha",
    ),
    "other data in the exporting cluster": (
        "vitrine",
        "CREATE TABLE public.salaries (id int)",
        "vitrine's cluster holds table public.salaries, and whoever replicates from it can read that",
        "DROP TABLE public.salaries",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_reason_to_refuse_is_named_and_nothing_is_touched(road: Road, reason: str) -> None:
    endpoint, statement, fact, undo = REFUSED[reason]
    road.run(endpoint, statement)
    reading = road.read()
    assert fact in [refusal.fact for refusal in reading.refusals]
    assert all(refusal.hint for refusal in reading.refusals)
    road.steps.clear()
    with pytest.raises(RefusedError), road.session() as session:
        apply(session, allow_drop=True, report=road.steps.append)
    assert road.steps == []
    road.run(endpoint, undo)


def test_what_is_not_public_is_refused(road: Road) -> None:
    text = STARTING_PATH.read_text(encoding="utf-8").replace(
        'columns = ["id", "username", "is_admin", "setor", "is_active"]',
        'columns = ["id", "username", "updated_at", "password_hash", "apelido"]',
    )
    facts = [refusal.fact for refusal in road.read(parse_declaration(text, origin="test")).refusals]
    for column, found in (
        ("updated_at", "internal"),
        ("password_hash", "secret"),
        ("apelido", "not classified"),
    ):
        assert f"column public.user.{column} is {found} and in publication pub_intake_user" in facts


FOREIGN = {
    "publication": ("sgp", "CREATE PUBLICATION theirs FOR TABLE material", "DROP PUBLICATION theirs"),
    "slot": (
        "sgp",
        "SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')",
        "SELECT pg_drop_replication_slot('theirs')",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_pontes_is_found_and_left_alone(road: Road, kind: str) -> None:
    endpoint, statement, undo = FOREIGN[kind]
    road.run(endpoint, statement)
    assert [f"{kind} that is not Ponte's: theirs" in finding.fact for finding in road.read().findings] == [
        True
    ]
    road.apply(allow_drop=True)
    assert len(road.read().findings) == 1
    road.run(endpoint, undo)


def test_two_applies_at_once_do_not_meet(road: Road) -> None:
    with road.session() as one, road.session() as other, hold_lock(one), pytest.raises(BusyError):
        apply(other, allow_drop=False, report=lambda _: None)
