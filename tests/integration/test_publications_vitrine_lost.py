"""A vitrine that is lost, and a new and empty one beside a VPS that is full."""

from __future__ import annotations

from psycopg import sql

from publications.decide.changes import Change
from tests.fix_gaps import drop_slot
from tests.fix_road import Road, plan_lines
from tests.integration.test_publications_converge import advance_origin, converge


def test_a_new_vitrine_fills_and_the_vps_is_served_throughout(road: Road) -> None:
    [[orders]] = road.run("vps", "SELECT count(*) FROM vitrine.pedidos")
    assert orders
    road.run("vps", "ALTER SUBSCRIPTION sub_vps DISABLE")
    drop_slot(road)
    advance_origin(road, "vps", "vitrine", "sub_vps")
    lose_vitrine(road)
    assert any("forget progress sub_vps" in line for line in plan_lines(road))
    seen = []

    class Watched(list[Change]):
        def append(self, step: Change) -> None:
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
