"""Each landed column of a photo alone, and when a change of one has its miniatura made again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from db.engines import Connection
from db.intranet.landing import LANDING_COLUMNS
from tests.integration.db.intranet.test_projection import ask
from tests.landed import WAYS, apply_as, update

IMAGEM: Mapping[str, tuple[Any, Any]] = {
    "pedido_id": (8, 8),
    "item_index": (3, 3),
    "item_identificador": ("b", "b"),
    "filename": ("b.png", "b.png"),
    "mime_type": ("image/png", "image/png"),
    "tamanho": (20, 20),
    "criado_em": ("2026-03-07T00:00:00", datetime(2026, 3, 7, tzinfo=UTC)),
}
IMAGEM_ROW = {
    "id": 5, "pedido_id": 7, "item_index": 1, "item_identificador": "a", "filename": "a.jpg",
    "mime_type": "image/jpeg", "path": "p/a.jpg", "tamanho": 10, "criado_em": "2026-01-01T00:00:00",
}  # fmt: skip


def land_imagem(conn: Connection, **changes: object) -> None:
    row = {**IMAGEM_ROW, **changes}
    conn.execute(
        sql.SQL("INSERT INTO public.pedido_imagens ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        ),
        row,
    )


def read_row(conn: Connection, query: str) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        [row] = cursor.execute(query.encode()).fetchall()
    return row


def test_every_landed_column_of_a_photo_has_a_case_but_its_path() -> None:
    assert {"id", "path", *IMAGEM} == set(LANDING_COLUMNS["public.pedido_imagens"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", IMAGEM)
def test_a_column_of_a_photo_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    given, value = IMAGEM[column]
    land_imagem(landing)
    before = read_row(landing, "SELECT * FROM vitrine.imagens")
    if way != "landed again":
        update(landing, "pedido_imagens", {column: given})
    else:
        land_imagem(landing, **{column: given})
    after = read_row(landing, "SELECT * FROM vitrine.imagens")
    assert after[column] == value
    assert {name for name in after if after[name] != before[name]} == {column, "versao"}


def test_a_photo_that_changes_where_the_window_shows_nothing_keeps_its_versao(landing: Connection) -> None:
    apply_as(landing)
    land_imagem(landing)
    before = read_row(landing, "SELECT * FROM vitrine.imagens")
    update(landing, "pedido_imagens", {"path": "p/b.jpg"})
    assert read_row(landing, "SELECT * FROM vitrine.imagens") == before
    update(landing, "pedido_imagens", {"id": 6})
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.imagens") == [6]
    landing.execute("DELETE FROM public.pedido_imagens")
    assert ask(landing, "SELECT count(*) FROM vitrine.imagens") == 0


def photo_turn(conn: Connection) -> tuple[bool, int] | None:
    row = conn.execute("SELECT next_at IS NOT NULL, attempts FROM worker.photos").fetchone()
    return None if row is None else (row[0], row[1])


def settle_photo(conn: Connection) -> None:
    conn.execute("UPDATE worker.photos SET next_at = NULL, attempts = 3")


@pytest.mark.parametrize("column", ["filename", "mime_type", "tamanho"])
def test_a_photo_whose_file_is_another_is_made_again(landing: Connection, column: str) -> None:
    land_imagem(landing)
    assert photo_turn(landing) == (True, 0)
    settle_photo(landing)
    update(landing, "pedido_imagens", {column: IMAGEM[column][0]})
    assert photo_turn(landing) == (True, 0)


@pytest.mark.parametrize("column", ["pedido_id", "item_index", "item_identificador", "criado_em"])
def test_a_photo_whose_file_is_the_same_is_not(landing: Connection, column: str) -> None:
    land_imagem(landing)
    settle_photo(landing)
    update(landing, "pedido_imagens", {column: IMAGEM[column][0]})
    assert photo_turn(landing) == (False, 3)


def test_a_photo_that_waits_already_has_its_turn_now(landing: Connection) -> None:
    land_imagem(landing)
    landing.execute("UPDATE worker.photos SET next_at = 'infinity', attempts = 9")
    update(landing, "pedido_imagens", {"tamanho": 11})
    assert photo_turn(landing) == (True, 0)
    assert ask(landing, "SELECT next_at <= clock_timestamp() FROM worker.photos")


def test_how_long_a_photo_waits_is_counted_from_when_it_came(landing: Connection) -> None:
    def queued() -> datetime | None:
        found: datetime | None = ask(landing, "SELECT queued_at FROM worker.photos")
        return found

    land_imagem(landing)
    first = queued()
    assert first is not None
    landing.execute("UPDATE worker.photos SET next_at = now() + interval '1 h'")
    assert queued() == first, "putting it off changed since when it waits"
    landing.execute("UPDATE worker.photos SET next_at = NULL")
    assert queued() is None
    landing.execute("UPDATE worker.photos SET next_at = now()")
    again = queued()
    assert again is not None
    assert again > first
