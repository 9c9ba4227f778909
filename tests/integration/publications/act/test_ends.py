"""Ends that are never again what they were: a vitrine lost and begun anew, a column that SGP drops."""

from __future__ import annotations

import pytest
from psycopg import sql

from publications.act.apply import RefusedError
from publications.act.release import release
from publications.decide.changes.step import Step
from publications.declare.declaration import STARTING_PATH, parse_declaration
from tests.fix_gaps import drop_slot
from tests.fix_road import Road, plan_lines
from tests.integration.publications.act.test_converge import advance_origin, converge

GONE = "sublimacao_maquina"


def test_a_new_vitrine_fills_and_the_vps_is_served_throughout(road: Road) -> None:
    [[orders]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos")
    assert orders
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    drop_slot(road)
    advance_origin(road, "vps", "vitrine", "sub_vps")
    lose_vitrine(road)
    assert any("forget progress sub_vps" in line for line in plan_lines(road))
    seen = []

    class Watched(list[Step]):
        def append(self, step: Step) -> None:
            seen.extend(road.run("vps", "SELECT count(*) FROM vitrine.pedidos"))
            super().append(step)

    road.steps = Watched()
    converge(road)
    assert set(seen) == {(orders,)}


def lose_vitrine(road: Road) -> None:
    """Put a migrated and empty database in its place; what SGP and the VPS know of it stays."""
    for change in ("DISABLE", "SET (slot_name = NONE)"):
        road.run("vitrine", f"ALTER SUBSCRIPTION sub_intake {change}")
    road.run("vitrine", "DROP SUBSCRIPTION sub_intake")
    road.forget_sessions()
    template = sql.Identifier(road.servers.templates["vitrine"])
    with road.servers.connect("vitrine", "postgres") as conn:
        conn.execute("DROP DATABASE vitrine WITH (FORCE)")
        conn.execute(sql.SQL("CREATE DATABASE vitrine TEMPLATE {}").format(template))


def test_a_column_that_was_released_dropped_and_undeclared_leaves_no_mark(road: Road) -> None:
    """The road that the documents describe, with the restore that finds it gone."""
    with road.session() as session:
        release(session, f"pedidos.{GONE}", report=lambda _: None)
    road.run("sgp", f"ALTER TABLE pedidos DROP COLUMN {GONE}")
    with pytest.raises(RefusedError, match=GONE):
        road.apply()
    text = STARTING_PATH.read_text(encoding="utf-8").replace(f'"{GONE}",', "<classified>", 1)
    text = text.replace(f'"{GONE}",', "", 1).replace("<classified>", f'"{GONE}",')
    road.declaration = parse_declaration(text, origin="test")
    assert f"vitrine: forget marks public.pedidos ({GONE})" in plan_lines(road)
    road.run("sgp", "UPDATE pedidos SET observacao = 'sem ela' WHERE id < 10")
    converge(road)
    assert road.run("vps", "SELECT count(*) FROM vitrine.pedidos WHERE observacao = 'sem ela'") == [(9,)]
