"""The vitrine's end of a push on a real slot: what goes out is what the publications let out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import LiteralString

import psycopg
import pytest

from db.sync import Change, Delete, Upsert
from publications.push.changes import Piece, gather, print_lsn
from publications.push.receiver import PushError, PushFault
from publications.push.vitrine import Vitrine
from tests.fix_push import push_dsn
from tests.fix_road import Road

pytestmark = pytest.mark.integration
Rows = dict[tuple[str, str], dict[str, str | None]]


def read(vitrine: Vitrine, *, limit_bytes: int = 10**6) -> list[Piece]:
    with vitrine.peek(vitrine.wait("0/0", pause_s=0.01, longest_s=1)) as events:
        return list(gather(events, vitrine.find_row, after=0, limit_bytes=limit_bytes))


def take(rows: Rows, changes: list[Change]) -> None:
    for change in changes:
        if isinstance(change, Upsert):
            key = change.row[{"miniaturas": "imagem_id"}.get(change.table, "id")]
            rows[change.table, str(key)] = dict(change.row)
        elif isinstance(change, Delete):
            rows.pop((change.table, change.key), None)
        else:
            pytest.fail(str(change))


def copy(vitrine: Vitrine) -> Rows:
    with vitrine.copy() as (total, rows):
        found = {(one.table.name, str(row[one.key])): dict(row) for one, row in rows}
        assert len(found) == total
    return {key: row for key, row in found.items() if key[0] in {"pedidos", "imagens"}}


STATES = ["pendente", "cancelado", "pronto"]
UPSERT = """INSERT INTO vitrine.pedidos (id, cliente, observacao, status)
VALUES (%s, %s, repeat(md5(%s::text), 400), %s) ON CONFLICT (id) DO UPDATE SET status = excluded.status"""
SET_STATUS = "UPDATE vitrine.pedidos SET status = %s WHERE id %% 7 = %s"
SET_TOTAL = "UPDATE vitrine.pedidos SET valor_total = %s WHERE id %% 5 = %s"
WRITES: list[Callable[[random.Random], tuple[LiteralString, list[object]]]] = [
    lambda r: (
        UPSERT,
        [r.randint(5000, 5030), r.choice(["Ana", "Zé \u2028", "'\"\\", ""]), r.random(), r.choice(STATES)],
    ),
    lambda r: (SET_TOTAL, [r.random() * 99, r.randint(0, 4)]),
    lambda r: (SET_STATUS, [r.choice(STATES), r.randint(0, 6)]),
    lambda r: ("DELETE FROM vitrine.pedidos WHERE id = %s", [r.randint(5000, 5030)]),
    lambda r: ("UPDATE vitrine.pedidos SET id = id + 100000 WHERE id = %s", [r.randint(5000, 5030)]),
    lambda r: ("UPDATE vitrine.imagens SET filename = %s", [r.choice([None, "a.png", "\t"])]),
]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_decoded_turns_what_was_copied_into_what_is_there(
    pushed_vitrine: tuple[Road, Vitrine], seed: int
) -> None:
    road, vitrine = pushed_vitrine
    chance = random.Random(seed)
    vitrine.begin()
    rows = copy(vitrine)
    with road.connect("vitrine") as conn:
        for _ in range(25):
            with conn.transaction(force_rollback=chance.random() < 0.1):
                for _ in range(chance.randint(1, 4)):
                    conn.execute(*chance.choice(WRITES)(chance))
    pieces = read(vitrine, limit_bytes=chance.choice([3000, 10**6]))
    for piece in pieces:
        take(rows, [one for one in piece.changes if one.table in {"pedidos", "imagens"}])
    assert rows == copy(vitrine)
    assert not any(row.get("status") == "cancelado" for row in rows.values())
    assert all(set(row) == set(vitrine.tables[name].columns) for (name, _), row in rows.items())


def test_a_large_transaction_comes_in_parts_and_small_ones_come_together(
    pushed_vitrine: tuple[Road, Vitrine],
) -> None:
    road, vitrine = pushed_vitrine
    vitrine.begin()
    road.run("vitrine", "UPDATE vitrine.imagens SET filename = 'a'")
    road.run("vitrine", "UPDATE vitrine.imagens SET filename = 'b'")
    [together] = read(vitrine)
    assert together.last
    assert together.end_lsn
    vitrine.advance(print_lsn(together.end_lsn), arrived=print_lsn(together.commit_lsn))
    road.run("vitrine", "UPDATE vitrine.pedidos SET cliente = repeat('x', 500)")
    pieces = read(vitrine, limit_bytes=5000)
    assert [one.part for one in pieces] == list(range(len(pieces)))
    assert [one.last for one in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len({one.commit_lsn for one in pieces}) == 1


def test_what_was_let_go_does_not_come_again(pushed_vitrine: tuple[Road, Vitrine]) -> None:
    road, vitrine = pushed_vitrine
    vitrine.begin()
    road.run("vitrine", "UPDATE vitrine.imagens SET filename = 'a'")
    [piece] = read(vitrine)
    assert piece.end_lsn
    vitrine.advance(print_lsn(piece.end_lsn), arrived=print_lsn(piece.commit_lsn))
    road.run("vitrine", "UPDATE vitrine.imagens SET filename = 'b'")
    [piece] = read(vitrine)
    assert {one.row["filename"] for one in piece.changes if isinstance(one, Upsert)} == {"b"}
    assert not vitrine.look().is_new


def test_a_slot_that_was_made_anew_by_hand_is_known_as_new(pushed_vitrine: tuple[Road, Vitrine]) -> None:
    road, vitrine = pushed_vitrine
    vitrine.begin()
    assert not vitrine.look().is_new
    road.run("vitrine", "UPDATE vitrine.imagens SET filename = 'a'")
    road.run("vitrine", "SELECT pg_drop_replication_slot('slot_vps_push')")
    with pytest.raises(PushError, match="is not there"):
        vitrine.look()
    road.run("vitrine", "SELECT pg_create_logical_replication_slot('slot_vps_push', 'pgoutput')")
    assert vitrine.look().is_new


def test_the_role_reads_no_slot_and_no_column_but_its_own(pushed_vitrine: tuple[Road, Vitrine]) -> None:
    road, vitrine = pushed_vitrine
    forbidden = (
        "SELECT * FROM pg_logical_slot_peek_changes('slot_vps_push', NULL, 1)",
        "SELECT pg_replication_slot_advance('slot_vps_push', pg_current_wal_lsn())",
        "SELECT * FROM push.ways",
        "SELECT * FROM push.peek('other', NULL, 1)",
        "SELECT password_hash FROM public.user",
        "SELECT * FROM projection.dead_letters",
        "UPDATE vitrine.pedidos SET cliente = ''",
    )
    with psycopg.connect(push_dsn(road), autocommit=True) as conn:
        for statement in forbidden:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedColumn)):
                conn.execute(statement)
    assert vitrine.tables.keys() == {
        "pedidos", "imagens", "usuarios", "credenciais", "revogacoes", "miniaturas", "heartbeat",
    }  # fmt: skip


def test_nothing_goes_out_while_what_is_published_is_not_what_was_applied(
    pushed_vitrine: tuple[Road, Vitrine],
) -> None:
    road, vitrine = pushed_vitrine
    vitrine.begin()
    vitrine.check_published()
    road.run("vitrine", "ALTER PUBLICATION pub_vps_imagens SET TABLE vitrine.imagens (id)")
    with pytest.raises(PushError) as caught:
        vitrine.check_published()
    assert caught.value.kind is PushFault.CHANGED
    road.apply()
    with pytest.raises(PushError, match="sent again"):
        vitrine.check_published()
    assert vitrine.look().is_new
