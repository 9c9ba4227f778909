"""Each landed column of an order and of a user alone: what changes in SGP changes in the window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql

from db.engines import Connection
from db.intranet.landing import LANDING_COLUMNS
from tests.integration.db.intranet.test_projection import ask, build_row, land, read
from tests.integration.db.intranet.test_projection_photos import read_row
from tests.landed import WAYS, apply_as, update

PEDIDO: Mapping[str, tuple[Any, str, Any]] = {
    "numero": ("B-9", "numero", "B-9"),
    "cliente": ("Outra", "cliente", "Outra"),
    "status": ("entregue", "status", "entregue"),
    "prioridade": (" alta ", "prioridade", "ALTA"),
    "data_entrada": ("2026-03-04", "data_entrada", date(2026, 3, 4)),
    "data_entrega": ("2026-03-05", "data_entrega", date(2026, 3, 5)),
    "cidade_cliente": ("Serra||BA", "cidade_cliente", "Serra"),
    "telefone_cliente": ("27 9", "telefone_cliente", "27 9"),
    "valor_total": ("7,01", "valor_total", Decimal("7.01")),
    "valor_frete": ("7,02", "valor_frete", Decimal("7.02")),
    "valor_itens": ("7,03", "valor_itens", Decimal("7.03")),
    "observacao": ("nova", "observacao", "nova"),
    "forma_envio": ("moto", "forma_envio", "moto"),
    "financeiro": (True, "financeiro", True),
    "conferencia": (True, "conferencia", True),
    "sublimacao": (True, "sublimacao", True),
    "costura": (True, "costura", True),
    "expedicao": (True, "expedicao", True),
    "pronto": (True, "pronto", True),
    "sublimacao_maquina": ("M7", "sublimacao_maquina", "M7"),
    "sublimacao_data_impressao": ("2026-03-06", "sublimacao_data_impressao", "2026-03-06"),
    "items": ('[{"descricao": "Lona"}]', "items", "Lona"),
    "data_criacao": ("2026-03-07T00:00:00", "data_criacao", datetime(2026, 3, 7, tzinfo=UTC)),
    "ultima_atualizacao": ("2026-03-08T00:00:00", "ultima_atualizacao", datetime(2026, 3, 8, tzinfo=UTC)),
}
PLAIN = dict.fromkeys(("financeiro", "conferencia", "sublimacao", "costura", "expedicao", "pronto"), False)


def test_every_landed_column_of_an_order_has_a_case() -> None:
    assert {"id", *PEDIDO} == set(LANDING_COLUMNS["public.pedidos"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", PEDIDO)
def test_a_column_of_an_order_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    given, shown, value = PEDIDO[column]
    row = build_row("items_empty", **PLAIN)
    land(landing, row)
    before = read(landing)
    if way != "landed again":
        update(landing, "pedidos", {column: given})
    else:
        land(landing, {**row, column: given})
    after = read(landing)
    found = after[shown][0]["descricao"] if column == "items" else after[shown]
    assert found == value
    assert after["versao"] > before["versao"]
    also = {"estado_cliente"} if column == "cidade_cliente" else set()
    assert {name for name in after if after[name] != before[name]} == {shown, "versao", *also}


READ = tuple(name for name in PEDIDO if name.startswith(("data_entr", "valor_", "cidade", "items")))


@pytest.mark.parametrize("column", READ)
def test_a_column_that_takes_reading_is_shown_where_one_that_takes_none_changes_too(
    landing: Connection, column: str
) -> None:
    apply_as(landing)
    given, shown, value = PEDIDO[column]
    land(landing, build_row("items_empty", **PLAIN))
    update(landing, "pedidos", {column: given, "numero": "B-9", "costura": True})
    after = read(landing)
    assert (after[shown][0]["descricao"] if column == "items" else after[shown]) == value
    assert (after["numero"], after["costura"]) == ("B-9", True)


FLAGS = tuple(PLAIN)


def test_a_flag_that_is_not_there_is_off(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", **dict.fromkeys(FLAGS, True)))
    update(landing, "pedidos", dict.fromkeys(FLAGS))
    assert [read(landing)[name] for name in FLAGS] == [False] * len(FLAGS)


def test_what_was_said_of_an_order_is_taken_back_when_it_is_well_again(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", valor_total="a combinar", status="perdido"))
    assert read(landing)["avisos"] == ["status_desconhecido", "valor_total_ilegivel"]
    update(landing, "pedidos", {"status": "pronto"})
    assert (read(landing)["status"], read(landing)["avisos"]) == ("pronto", ["valor_total_ilegivel"])
    update(landing, "pedidos", {"status": "perdido"})
    assert read(landing)["avisos"] == ["status_desconhecido", "valor_total_ilegivel"]
    update(landing, "pedidos", {"valor_total": "5"})
    assert read(landing)["avisos"] == ["status_desconhecido"]


USER: Mapping[str, tuple[Any, Any]] = {
    "username": ("bia", "bia"),
    "is_admin": (True, True),
    "setor": ("costura", "costura"),
    "is_active": (False, False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", USER)
def test_a_users_column_that_changes_alone_is_shown(landing: Connection, column: str, way: str) -> None:
    apply_as(landing, way)
    row = {"id": 1, "username": "ana", "is_admin": False, "setor": "arte", "is_active": True}
    insert = sql.SQL('INSERT INTO public."user" VALUES ({})').format(
        sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    landing.execute(insert, row)
    before = read_row(landing, "SELECT * FROM vitrine.usuarios")
    given, value = USER[column]
    if way != "landed again":
        update(landing, "user", {column: given})
    else:
        landing.execute(insert, {**row, column: given})
    after = read_row(landing, "SELECT * FROM vitrine.usuarios")
    assert after[column] == value
    assert {name for name in after if after[name] != before[name]} == {column, "versao"}
    update(landing, "user", {"id": 2})
    assert ask(landing, "SELECT array_agg(id) FROM vitrine.usuarios") == [2]
    landing.execute('DELETE FROM public."user"')
    assert ask(landing, "SELECT count(*) FROM vitrine.usuarios") == 0
