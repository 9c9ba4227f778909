"""A transaction of many rows is projected some hundreds at a time, each as it stands when its turn comes."""

from __future__ import annotations

import random

import pytest

from db.engines import Connection
from tests.integration.db.intranet.test_projection import CASES, ask, build_row, land

MANY = 2_000
"""More than are noted before they are projected."""
UNLIKE = "SELECT array_agg(key) FROM projection.find_unlike('public.pedidos', NULL, NULL)"
WAITING = "SELECT count(*) FROM projection.batches"


@pytest.fixture
def applying(landing: Connection) -> Connection:
    """The session as apply has it: nothing is caught, and what is noted waits for the transaction's end."""
    landing.execute("SELECT set_config('ponte.projects', 'freely', true)")
    landing.execute("SET CONSTRAINTS ALL DEFERRED")
    return landing


def end(conn: Connection) -> None:
    """Do what a transaction's end does."""
    conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    conn.execute("SET CONSTRAINTS ALL DEFERRED")
    assert ask(conn, WAITING) == 0


def fill(conn: Connection, rows: int) -> None:
    conn.execute(
        "INSERT INTO public.pedidos (id, cliente, status, items)"
        " SELECT n, 'Cliente ' || n, 'pronto', '[{\"descricao\": \"Item ' || n || '\"}]'"
        "   FROM generate_series(1, %s) AS n",
        [rows],
    )


def test_the_first_row_is_shown_at_once_and_the_others_at_the_end(applying: Connection) -> None:
    fill(applying, 3)
    assert ask(applying, "SELECT array_agg(id) FROM vitrine.pedidos") == [1]
    assert ask(applying, WAITING) == 1
    end(applying)
    assert ask(applying, "SELECT array_agg(cliente ORDER BY id) FROM vitrine.pedidos") == [
        "Cliente 1", "Cliente 2", "Cliente 3",
    ]  # fmt: skip


def test_some_hundreds_do_not_wait_for_the_end(applying: Connection) -> None:
    fill(applying, MANY)
    assert MANY / 2 < ask(applying, "SELECT count(*) FROM vitrine.pedidos") < MANY
    end(applying)
    assert ask(applying, "SELECT count(*) FROM vitrine.pedidos") == MANY
    assert ask(applying, UNLIKE) is None


def test_a_row_that_changes_often_is_written_once(applying: Connection) -> None:
    fill(applying, 10)
    end(applying)
    before = ask(applying, "SELECT last_value FROM projection.versao_seq")
    for number in range(50):
        applying.execute("UPDATE public.pedidos SET observacao = %s WHERE id IN (7, 8)", [str(number)])
    end(applying)
    assert ask(applying, "SELECT array_agg(observacao) FROM vitrine.pedidos WHERE id IN (7, 8)") == [
        "49",
        "49",
    ]
    assert ask(applying, "SELECT last_value FROM projection.versao_seq") - before <= 8


ITEM_OF_2 = "SELECT items -> 0 ->> 'descricao' FROM vitrine.pedidos WHERE id = 2"


def test_items_that_changed_are_shown_also_where_a_note_changed_after_them(applying: Connection) -> None:
    fill(applying, 3)
    end(applying)
    applying.execute('UPDATE public.pedidos SET items = \'[{"descricao": "outro"}]\' WHERE id = 2')
    applying.execute("UPDATE public.pedidos SET observacao = 'e uma nota' WHERE id = 2")
    end(applying)
    assert ask(applying, ITEM_OF_2) == "outro"


def test_where_a_row_has_failed_its_items_are_read_again(applying: Connection) -> None:
    """What the window shows of them may be older than what was there before the change."""
    fill(applying, 3)
    end(applying)
    applying.execute("UPDATE vitrine.pedidos SET items = '[]' WHERE id = 2")
    applying.execute(
        "INSERT INTO projection.dead_letters (landing, key, sqlstate) VALUES ('public.pedidos', 2, 'X')"
    )
    applying.execute("UPDATE public.pedidos SET observacao = 'uma nota' WHERE id = 2")
    end(applying)
    assert ask(applying, ITEM_OF_2) == "Item 2"
    assert ask(applying, "SELECT count(*) FROM projection.dead_letters") == 0


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_in_one_transaction_the_window_shows_its_end(applying: Connection, seed: int) -> None:
    rng = random.Random(seed)
    rows = [build_row(name) for name in CASES]
    keys = range(1, 9)
    for _ in range(120):
        key, other = rng.choice(keys), rng.choice(keys)
        match rng.choice(("land", "change", "items", "delete", "move", "again", "empty", "back")):
            case "land":
                land(applying, {**rng.choice(rows), "id": key})
            case "change":
                value = rng.choice(rows)["observacao"]
                applying.execute("UPDATE public.pedidos SET observacao = %s WHERE id = %s", [value, key])
            case "items":
                items = rng.choice(rows)["items"]
                applying.execute("UPDATE public.pedidos SET items = %s WHERE id = %s", [items, key])
            case "delete":
                applying.execute("DELETE FROM public.pedidos WHERE id = %s", [key])
            case "move" if not ask(applying, "SELECT count(*) FROM public.pedidos WHERE id = %s", other):
                applying.execute("UPDATE public.pedidos SET id = %s WHERE id = %s", [other, key])
            case "again":
                applying.execute("UPDATE public.pedidos SET id = id WHERE id = %s", [key])
            case "empty" if rng.random() < 0.1:
                applying.execute("DELETE FROM public.pedidos")
            case "back":
                with applying.transaction(force_rollback=True):
                    applying.execute("UPDATE public.pedidos SET cliente = 'nunca', items = NULL")
            case _:
                end(applying)
    end(applying)
    assert ask(applying, UNLIKE) is None
    assert ask(applying, "SELECT count(*) FROM vitrine.pedidos") == ask(
        applying, "SELECT count(*) FROM public.pedidos"
    )
    assert ask(applying, "SELECT count(*) FROM projection.dead_letters") == 0


def test_keys_below_nought_are_keys(applying: Connection) -> None:
    for key in (1, -5, 3):
        applying.execute("INSERT INTO public.pedidos (id, cliente) VALUES (%s, 'x')", [key])
    end(applying)
    assert ask(applying, "SELECT array_agg(id ORDER BY id) FROM vitrine.pedidos") == [-5, 1, 3]


def test_keys_are_looked_up_in_small_tables_as_in_large_ones(applying: Connection) -> None:
    """A plan that is made for a few rows lasts as long as the transaction, however many it brings."""
    scans = "SELECT sum(seq_scan)::int FROM pg_stat_xact_user_tables WHERE relname = 'pedidos'"
    before = ask(applying, scans)
    for key in range(10):
        applying.execute("INSERT INTO public.pedidos (id, cliente) VALUES (%s, 'x')", [key])
    end(applying)
    assert ask(applying, scans) == before
