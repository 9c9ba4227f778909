"""Amounts, dates, items and lists up to their bounds, and one beyond."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from db.engines import Connection
from tests.integration.db.intranet.test_projection import ask, build_row, land, read
from tests.landed import apply_as

MONEY = {
    "99999999999.99": "99999999999.99",
    "99999999999,999": "100000000000.00",
    "100000000000": None,
    "999999999999.999": None,
    "-99999999999": "-99999999999.00",
    "-100000000000": None,
    "00000000000000000000012,3": "12.30",
    "1.000.000.000,00": "1000000000.00",
    "0,005": "0.01",
    "0,004": "0.00",
    ",5": "0.50",
    "5,": "5.00",
    "--5": None,
    "-": None,
    "5-": None,
}


@pytest.mark.parametrize("text", MONEY)
def test_an_amount_is_read_up_to_its_bounds(landing: Connection, text: str) -> None:
    value = MONEY[text]
    assert ask(landing, "SELECT projection.parse_money(%s)::text", text) == value
    assert ask(landing, "SELECT projection.parse_money(%s)::numeric(14, 2)::text", text) == value


def test_an_amount_beyond_its_bounds_spoils_nothing_else(landing: Connection) -> None:
    apply_as(landing)
    land(landing, build_row("items_empty", valor_total="999999999999,999", observacao="fica"))
    found = read(landing)
    assert (found["valor_total"], found["observacao"]) == (None, "fica")
    assert found["avisos"] == ["valor_total_ilegivel"]
    assert ask(landing, "SELECT count(*) FROM projection.dead_letters") == 0


DATES = {
    "2026-02-28": date(2026, 2, 28),
    "2026-02-29": None,
    "2024-02-29": date(2024, 2, 29),
    "2026-04-30": date(2026, 4, 30),
    "2026-04-31": None,
    "2026-12-31": date(2026, 12, 31),
    "2026-13-01": None,
    "2026-00-10": None,
    "2026-01-00": None,
    "2026-01-01": date(2026, 1, 1),
    "0999-01-01": date(999, 1, 1),
    "1000-01-01": date(1000, 1, 1),
    "1/2/2026": date(2026, 2, 1),
    "31/12/2026": date(2026, 12, 31),
    "32/12/2026": None,
    "1/2/26": None,
}


@pytest.mark.parametrize("text", DATES)
def test_a_date_is_read_up_to_its_bounds(landing: Connection, text: str) -> None:
    assert ask(landing, "SELECT projection.parse_date(%s)", text) == DATES[text]


def items_of(conn: Connection, text: str) -> tuple[list[dict[str, Any]], list[str]]:
    row = conn.execute("SELECT * FROM projection.project_items(%s, 7)", [text]).fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("123456789012345", 123456789012345), ("1234567890123456", 7000), ("0", 0), ('"12"', 12), ("1.5", 7000)],
)
def test_an_items_own_id_is_kept_up_to_fifteen_digits(landing: Connection, given: str, kept: int) -> None:
    [[item], _] = items_of(landing, '[{"id": ' + given + "}]")
    assert item["id"] == kept


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/pedidos/imagens/999999999", 999999999),
        ("/pedidos/imagens/1000000000", None),
        ("/pedidos/imagens/", None),
        ("x/pedidos/imagens/5", None),
        ("/pedidos/imagens/5/a", None),
    ],
)
def test_an_items_photo_is_named_by_its_path_alone(landing: Connection, path: str, kept: int | None) -> None:
    [[item], _] = items_of(landing, '[{"imagem": "' + path + '"}]')
    assert item.get("imagem_id") == kept


@pytest.mark.parametrize(("digits", "kept"), [(40, True), (41, False)])
def test_a_number_is_text_up_to_forty_digits(landing: Connection, digits: int, kept: bool) -> None:
    [[item], _] = items_of(landing, '[{"tecido": ' + "9" * digits + "}]")
    assert ("tecido" in item) is kept


@pytest.mark.parametrize(("pieces", "taken_apart"), [(30_000, True), (30_001, False)])
def test_a_broken_list_is_taken_apart_up_to_so_many_pieces(
    landing: Connection, pieces: int, taken_apart: bool
) -> None:
    items, avisos = items_of(landing, "[" + "," * (pieces - 3) + '"a"')
    assert ([item["descricao"] for item in items], avisos) == (
        (["a"], []) if taken_apart else ([], ["item_ilegivel"])
    )


def test_what_the_workshop_must_know_is_said_line_by_line(landing: Connection) -> None:
    finish = '{"overloque": true, "elastico": true, "ilhos": true}'
    whole = (
        '{"largura": "3", "altura": 2.5, "tecido": "Oxford", "acabamento": ' + finish + ","
        ' "emenda": "vertical", "emenda_qtd": 2, "observacao": "obs", "descricao": "Painel",'
        ' "vendedor": "Zé", "segredo": "x", "ziper": true, "alcinha": false}'
    )
    none = '{"acabamento": {"overloque": false}, "emenda": "Sem emenda", "largura": "3,1"}'
    [first, second], avisos = items_of(landing, f"[{whole}, {none}]")
    assert first == {
        "id": 7000, "indice": 0, "descricao": "Painel", "observacoes": "obs", "tecido": "Oxford",
        "vendedor": "Zé", "ziper": "Sim",
        "especificacoes": (
            "3,00 x 2,50 m\nOxford\nAcabamento: overloque, elástico, ilhós\nEmenda: vertical (2)"
        ),
    }  # fmt: skip
    assert second == {
        "id": 7001, "indice": 1, "descricao": "", "observacoes": "", "especificacoes": "3,10 m",
    }  # fmt: skip
    assert avisos == []


def test_a_list_with_an_item_that_is_a_text_counts_its_places_from_nought(landing: Connection) -> None:
    given = '["um texto", {"descricao": "b", "id": "1234567890123456"}, {"id": "123456789012345"}]'
    row = landing.execute("SELECT items FROM projection.project_items(%s, 7)", [given]).fetchone()
    assert row is not None
    assert [(item["indice"], item["id"]) for item in row[0]] == [(0, 7000), (1, 7001), (2, 123456789012345)]
