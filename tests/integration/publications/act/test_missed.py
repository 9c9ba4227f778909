"""What was missed, or is not to be there any more, while somebody changed things; one road for all of it."""

from __future__ import annotations

import pytest

from publications.act.perform import BusyError, OutdatedError, run_step
from publications.commands.plan_text import to_script
from publications.commands.step_words import describe
from publications.decide.changes.rows import Backfill
from publications.declare.declaration import STARTING_PATH, Declaration, parse_declaration
from publications.declare.names import TableName
from tests.fix_road import Road


@pytest.fixture
def road(kept_road: Road) -> Road:
    return kept_road


def add_order(road: Road, key: int) -> None:
    """Add an order in SGP that is like the third."""
    road.run(
        "sgp",
        "INSERT INTO pedidos SELECT (jsonb_populate_record(p, jsonb_build_object('id', %s::int))).*"
        " FROM pedidos AS p WHERE id = 3",
        key,
    )


@pytest.mark.parametrize(
    "fault",
    ["DROP TRIGGER project ON public.pedidos", "ALTER TABLE public.pedidos DISABLE TRIGGER project"],
    ids=["gone", "disabled"],
)
def test_a_trigger_that_is_put_back_projects_what_it_missed(road: Road, fault: str) -> None:
    add_order(road, 9001)
    road.wait_arrival()
    road.run("vitrine", fault)
    add_order(road, 9002)
    road.run("sgp", "UPDATE pedidos SET observacao = 'sem gatilho' WHERE id = 3")
    road.run("sgp", "DELETE FROM pedidos WHERE id = 9001")
    road.wait_arrival()
    script = to_script(road.read().plan)
    road.apply()
    road.wait_arrival()
    seen = road.run("vps", "SELECT id FROM vitrine.pedidos WHERE observacao = 'sem gatilho' OR id > 9000")
    assert sorted(seen) == [(3,), (9002,)]
    assert road.digest("vps") == road.digest("vitrine")
    assert 'SELECT projection.reproject(\'"public"."pedidos"\'::regclass);' in script
    road.run("sgp", "DELETE FROM pedidos WHERE id = 9002")
    road.wait_arrival()


def test_a_database_that_was_not_migrated_is_named(road: Road) -> None:
    road.run("vitrine", "ALTER FUNCTION projection.reproject(regclass) RENAME TO later")
    road.run("vitrine", "DROP TRIGGER project ON public.pedidos")
    with pytest.raises(OutdatedError, match="run 'ponte migrate'"):
        road.apply()
    road.run("vitrine", "ALTER FUNCTION projection.later(regclass) RENAME TO reproject")
    road.apply()


PHONE = "telefone_cliente"


def with_secret_phone(*, exported: bool) -> Declaration:
    """Return the declaration with the telephone numbers made secret, still in the export or not."""
    text = STARTING_PATH.read_text(encoding="utf-8").replace(f'"{PHONE}", ', "", 2 if exported else 3)
    return parse_declaration(
        text.replace('secret = ["tipo_pagamento"', f'secret = ["{PHONE}", "tipo_pagamento"'), origin="test"
    )


def count_phones(road: Road) -> list[object]:
    counts = [
        road.run(name, f"SELECT count({PHONE}) FROM {table}.pedidos")  # noqa: S608  # both from here
        for name, table in (("vitrine", "public"), ("vitrine", "vitrine"), ("vps", "vitrine"))
    ]
    return [count for [[count]] in counts]


@pytest.mark.parametrize("exported", [True, False], ids=["still exported", "exported no more"])
def test_a_column_made_secret_is_emptied_everywhere(road: Road, exported: bool) -> None:
    before = count_phones(road)
    assert 0 not in before
    secret = with_secret_phone(exported=exported)
    script = to_script(road.read(secret).plan)
    road.apply(secret)
    road.wait_arrival()
    assert count_phones(road) == [0, 0, 0]
    assert [describe(step) for step in road.read(secret).plan.steps] == []
    assert f'SET "{PHONE}" = NULL WHERE "{PHONE}" IS DISTINCT FROM NULL;' in script
    road.apply()
    road.wait_arrival()
    assert count_phones(road) == before


def test_a_column_that_is_public_and_not_sent_stays(road: Road) -> None:
    """As when SGP has dropped it: nobody could bring it back."""
    text = STARTING_PATH.read_text(encoding="utf-8").replace(f'"{PHONE}", ', "<kept>", 1)
    unsent = text.replace(f'"{PHONE}", ', "", 1).replace("<kept>", f'"{PHONE}", ')
    before = count_phones(road)
    road.apply(parse_declaration(unsent, origin="test"))
    road.wait_arrival()
    assert count_phones(road) == before
    road.apply()


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("holder", "mode"), [("vitrine", "ROW EXCLUSIVE"), ("sgp", "ACCESS EXCLUSIVE")])
def test_a_fill_that_gets_no_lock_says_what_to_do(
    road: Road, monkeypatch: pytest.MonkeyPatch, holder: str, mode: str
) -> None:
    monkeypatch.setattr("publications.act.perform.LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr("publications.act.perform.LOCK_TRIES", 2)
    fill = Backfill("vitrine", TableName("public", "revoked_tokens"), ("expires_at",), "sgp", "id")
    with road.connect(holder) as other, other.transaction(), road.session() as session:
        other.execute(f"LOCK TABLE public.revoked_tokens IN {mode} MODE".encode())
        with pytest.raises(BusyError, match="fill public.revoked_tokens") as refused:
            run_step(session, fill)
    assert "run 'ponte apply' again" in refused.value.hint
