"""What becomes of a row in the window as it changes in SGP, and of one that could not be projected."""

from __future__ import annotations

import random
from typing import Any

import pytest
from psycopg import sql

from db.engines import Connection
from tests.integration.db.intranet.test_projection import (
    CASES,
    KEY,
    PEDIDOS,
    ask,
    build_row,
    land,
    project,
    read,
)
from tests.landed import begin_anew


def test_only_what_the_window_shows_gives_a_new_versao(landing: Connection) -> None:
    before = project(landing, "valor_total_comma")["versao"]
    for same in (
        "id = id",
        "valor_total = 'R$ 20,00'",
        "status = 'EM PRODUCAO'",
        "cidade_cliente = ' Vila Velha || es '",
    ):
        landing.execute(f"UPDATE public.pedidos SET {same}".encode())  # noqa: S608  # from the list above
        assert read(landing)["versao"] == before, same
    landing.execute("UPDATE public.pedidos SET observacao = 'nova'")
    assert read(landing)["versao"] > before


def test_another_key_takes_the_old_order_away(landing: Connection) -> None:
    project(landing, "numero_missing")
    landing.execute("UPDATE public.pedidos SET id = 5000")
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.pedidos") == [5000]
    landing.execute("DELETE FROM public.pedidos")
    assert ask(landing, "SELECT count(*) FROM vitrine.pedidos") == 0


def test_the_same_key_may_land_twice(landing: Connection) -> None:
    """A table is copied again over what is there."""
    project(landing, "numero_missing")
    land(landing, build_row("numero_missing", observacao="de novo"))
    assert ask(landing, "SELECT count(*) FROM public.pedidos") == 1
    assert read(landing)["observacao"] == "de novo"


def test_an_order_changed_step_by_step_is_as_if_read_at_once(landing: Connection) -> None:
    """Whatever was taken over from the order before, projecting it again changes nothing."""
    rng = random.Random(11)
    rows = [build_row(name) for name in CASES]
    values = {name: sorted({row[name] for row in rows}, key=repr) for name in PEDIDOS if name != "id"}
    land(landing, rows[0])
    for _ in range(400):
        changed = rng.sample(sorted(values), rng.randint(1, 3))
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changed
        )
        given = {name: rng.choice(values[name]) for name in changed}
        begin_anew(landing, "pedidos")
        landing.execute(sql.SQL("UPDATE public.pedidos SET {}").format(assignments), given)
        stepwise = read(landing)
        landing.execute("UPDATE public.pedidos SET id = id")
        assert read(landing) == stepwise, changed
    assert read_letters(landing) == []


def block(conn: Connection) -> None:
    conn.execute("ALTER TABLE vitrine.pedidos ADD CONSTRAINT trouble CHECK (observacao <> 'trouble')")


def read_letters(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT landing, key, sqlstate, attempts FROM projection.dead_letters").fetchall()


def test_a_dead_letter_is_counted_and_healed_by_the_next_change(landing: Connection) -> None:
    project(landing, "numero_missing")
    block(landing)
    landing.execute("UPDATE public.pedidos SET observacao = 'trouble'")
    landing.execute("UPDATE public.pedidos SET cliente = 'outro'")
    assert read_letters(landing) == [("public.pedidos", KEY, "23514", 2)]
    assert read(landing)["cliente"] != "outro"
    landing.execute("UPDATE public.pedidos SET observacao = 'bem'")
    assert read_letters(landing) == []
    assert (read(landing)["observacao"], read(landing)["cliente"]) == ("bem", "outro")


@pytest.mark.parametrize(
    "end", ["DELETE FROM public.pedidos", "UPDATE public.pedidos SET id = 1, observacao = ''"]
)
def test_a_dead_letter_ends_with_its_row(landing: Connection, end: str) -> None:
    project(landing, "numero_missing")
    block(landing)
    landing.execute("UPDATE public.pedidos SET observacao = 'trouble'")
    assert len(read_letters(landing)) == 1
    landing.execute(end.encode())
    assert read_letters(landing) == []
    assert ask(landing, "SELECT count(*) FROM vitrine.pedidos WHERE id = %s", KEY) == 0


def test_letters_of_rows_that_are_gone_are_settled(landing: Connection) -> None:
    landing.execute(
        "INSERT INTO projection.dead_letters (landing, key, sqlstate)"
        " VALUES ('public.pedidos', 77, '23514'), ('public.gone', 1, '23514'),"
        " ('ponte.heartbeat', 1, '23514')"
    )
    assert ask(landing, "SELECT projection.retry_dead_letters(10)") == 0


def test_a_key_change_that_failed_leaves_no_ghost(landing: Connection) -> None:
    project(landing, "numero_missing")
    block(landing)
    landing.execute("UPDATE public.pedidos SET id = 5000, observacao = 'trouble'")
    assert [letter[1] for letter in read_letters(landing)] == [5000]
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.pedidos") is None
    landing.execute("ALTER TABLE vitrine.pedidos DROP CONSTRAINT trouble")
    assert ask(landing, "SELECT projection.retry_dead_letters(10)") == 0
    assert ask(landing, "SELECT array_agg(id ORDER BY id) FROM vitrine.pedidos") == [5000]


def test_a_delete_that_failed_leaves_no_ghost(landing: Connection) -> None:
    project(landing, "numero_missing")
    landing.execute("CREATE TABLE holder (id int REFERENCES vitrine.pedidos)")
    landing.execute("INSERT INTO holder VALUES (%s)", [KEY])
    landing.execute("DELETE FROM public.pedidos")
    assert read_letters(landing) == [("public.pedidos", KEY, "23503", 1)], "the delete did not fail"
    landing.execute("DROP TABLE holder")
    assert ask(landing, "SELECT projection.retry_dead_letters(10)") == 0
    assert ask(landing, "SELECT count(*) FROM vitrine.pedidos") == 0


def test_a_table_projected_again_shows_what_landed_and_nothing_else(landing: Connection) -> None:
    """Also what can't be written or removed: it waits as a letter, and the rest goes on."""
    before = project(landing, "valor_total_comma")
    land(landing, build_row("numero_missing", id=5000))
    landing.execute("UPDATE vitrine.pedidos SET cliente = 'por fora' WHERE id = %s", [KEY])
    landing.execute("DELETE FROM vitrine.pedidos WHERE id = 5000")
    landing.execute("INSERT INTO vitrine.pedidos (id) VALUES (6000), (6001)")
    landing.execute("CREATE TABLE holder (id int REFERENCES vitrine.pedidos)")
    landing.execute("INSERT INTO holder VALUES (6001)")
    landing.execute("SELECT projection.reproject('public.pedidos')")
    assert ask(landing, "SELECT array_agg(id ORDER BY id) FROM vitrine.pedidos") == [KEY, 5000, 6001]
    assert read_letters(landing) == [("public.pedidos", 6001, "23503", 1)]
    assert {**read(landing), "versao": 0} == {**before, "versao": 0}
    again = read(landing)
    landing.execute("SELECT projection.reproject('public.pedidos')")
    assert read(landing) == again


def test_a_heartbeat_projected_again_is_never_taken_out(landing: Connection) -> None:
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    landing.execute("DELETE FROM ponte.heartbeat")
    landing.execute("SELECT projection.reproject('ponte.heartbeat')")
    assert ask(landing, "SELECT beat FROM vitrine.heartbeat") == 5


def test_an_older_beat_changes_nothing(landing: Connection) -> None:
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    landing.execute("UPDATE ponte.heartbeat SET beat = 4, beat_at = '2026-01-01 09:00+00'")
    assert ask(landing, "SELECT beat FROM vitrine.heartbeat") == 5
    landing.execute("UPDATE ponte.heartbeat SET beat = 6, beat_at = '2026-01-01 11:00+00'")
    assert ask(landing, "SELECT beat FROM vitrine.heartbeat") == 6


def test_a_beats_letter_is_settled_by_the_next_beat(landing: Connection) -> None:
    landing.execute("INSERT INTO ponte.heartbeat VALUES (1, 5, '2026-01-01 10:00+00')")
    landing.execute(
        "INSERT INTO projection.dead_letters (landing, key, sqlstate) VALUES ('ponte.heartbeat', 1, '40001')"
    )
    landing.execute("UPDATE ponte.heartbeat SET beat = 6, beat_at = '2026-01-01 11:00+00'")
    assert read_letters(landing) == []


def test_a_user_without_sector_is_of_geral(landing: Connection) -> None:
    landing.execute(
        "INSERT INTO public.\"user\" (id, username, setor) VALUES (1, 'ana', NULL), (2, 'bia', ' ')"
    )
    rows = landing.execute("SELECT setor, is_active, is_admin FROM vitrine.usuarios").fetchall()
    assert rows == [("geral", False, False)] * 2
