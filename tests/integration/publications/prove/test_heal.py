"""Only what differs is moved, whoever writes meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from publications.prove.heal import HealingError, heal_pair, heal_until_equal, signed
from publications.prove.pairs import TablePair, derive_pairs
from publications.prove.walk import make_walk
from tests.fix_drift import drift_landing, drift_vps, drift_window, heal_all, told, verify, write_by_hand
from tests.fix_road import Road


def test_every_kind_of_difference_is_healed_and_nothing_else_is_written(kept_road: Road) -> None:
    [[before]] = kept_road.run("vps", "SELECT max(cursor) FROM vitrine.pedidos")
    drift_landing(kept_road)
    drift_window(kept_road)
    kept_road.wait_arrival()
    drift_vps(kept_road)
    done = heal_all(kept_road)
    kept_road.wait_arrival()
    assert told(verify(kept_road)) == {}
    held = "SELECT id, observacao FROM {}pedidos ORDER BY id"
    orders = kept_road.run("sgp", held.format("public."))
    assert kept_road.run("vitrine", held.format("public.")) == orders
    assert kept_road.run("vps", held.format("vitrine.")) == orders
    touched = (
        "SELECT array_agg(id ORDER BY id) FROM vitrine.pedidos WHERE cursor > %s AND id NOT BETWEEN 2 AND 8"
    )
    assert kept_road.run("vps", touched, before) == [(None,)]
    assert (done.removed, done.stamped) == (3, 1)  # one left over on each hop
    assert done.moved_bytes > 0


def test_what_is_healed_bears_an_origin_of_its_own_and_only_one_heals_at_a_time(kept_road: Road) -> None:
    write_by_hand(kept_road, "DELETE FROM vitrine.usuarios WHERE id = 1")
    slot = "SELECT pg_create_logical_replication_slot('seen', 'pgoutput', true)"
    kept_road.run("vps", "CREATE PUBLICATION seen FOR TABLE vitrine.usuarios")
    with kept_road.connect("vps") as conn:
        conn.execute(slot)
        heal_all(kept_road, "usuarios")
        messages = conn.execute(
            "SELECT data FROM pg_logical_slot_peek_binary_changes('seen', NULL, NULL, 'proto_version', '1',"
            " 'publication_names', 'seen')"
        ).fetchall()
    kept_road.run("vps", "DROP PUBLICATION seen")
    assert [data for (data,) in messages if data.startswith(b"O") and b"ponte_heal\0" in data]
    with kept_road.connect("vps") as one, kept_road.connect("vps") as other, signed(one):  # noqa: SIM117
        with pytest.raises(HealingError), signed(other):
            pass


def _pair(road: Road, source: str) -> TablePair:
    pairs = derive_pairs(road.declaration, {})
    return next(one for one in pairs if one.source == source and one.table.name == "pedidos")


KEY = 900006
ADD = (
    "INSERT INTO pedidos SELECT n.* FROM pedidos AS p,"
    ' jsonb_populate_record(p, \'{"id": 900006, "numero": "6-6"}\') AS n WHERE p.id = 1'
    " ON CONFLICT DO NOTHING"
)
REMOVE = "DELETE FROM pedidos WHERE id = 900006"
DRIFTS = {
    "missing": "DELETE FROM {0}pedidos WHERE id = 900006",
    "changed": "UPDATE {0}pedidos SET observacao = 'velha' WHERE id = 900006",
    "extra": "INSERT INTO {0}pedidos (id) VALUES (900006)",
}
CHANGES: dict[str, list[str]] = {
    "change": ["UPDATE pedidos SET observacao = observacao || 'nova' WHERE id = 900006"],
    "remove": [REMOVE],
    "replace": [REMOVE, ADD],
    "add": [ADD],
}


MEETINGS = [
    *(
        ("missing", late, moment)
        for late in ("change", "remove")
        for moment in ("before", "between", "after")
    ),
    *(("changed", late, "between") for late in ("change", "remove", "replace")),
    *(("extra", "add", moment) for moment in ("before", "between", "after")),
]


@pytest.mark.spoils  # landing's server counts the updates that found no row
@pytest.mark.parametrize("source", ["sgp", "vitrine"])
def test_a_late_change_wins_at_whatever_moment_it_comes(kept_road: Road, source: str) -> None:
    """Of the row that is healed: before the source is read, before the write, after it."""
    for drift, late, moment in MEETINGS:
        _drift(kept_road, source, drift, DRIFTS[drift])
        _heal_meeting(kept_road, _pair(kept_road, source), moment, CHANGES[late])
        kept_road.wait_arrival()
        assert told(verify(kept_road, "pedidos")) == {}, (drift, late, moment)


def _drift(road: Road, source: str, drift: str, statement: str) -> None:
    road.run("sgp", REMOVE if drift == "extra" else ADD)
    road.wait_arrival()
    if source == "sgp":
        road.run("vitrine", statement.format("public."))
    else:
        write_by_hand(road, statement.format("vitrine."))


def _heal_meeting(road: Road, pair: TablePair, moment: str, late: Sequence[str]) -> None:
    def change_late(now: str) -> None:
        for statement in late if now == moment else ():
            road.run("sgp", statement)

    with road.session() as session:
        ends = session.connections
        walk = make_walk(pair, ends[pair.source], ends[pair.target], fence_s=30.0)
        differences = [one for piece in walk.run(64) for one in piece.found]
        assert differences
        change_late("before")
        with signed(ends[pair.target]):
            done = heal_pair(walk, differences, before_write=lambda: change_late("between"))
            change_late("after")
            heal_until_equal(walk, walk.look_again(done.passed).found)
