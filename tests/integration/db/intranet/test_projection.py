"""How SGP's values become the window's: case by case, and what a row's life in SGP does to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from db.contract import Pedido, Status
from db.engines import Connection
from db.intranet.landing import LANDING_COLUMNS
from infra.devstack.seed import DEFAULT_NOW, DIRT, SQLITE_ONLY_DIRT, DirtCase
from infra.devstack.seed.dirt import build_dirty_order
from infra.devstack.seed.dirt_items import FIRST, LAST

PEDIDOS = LANDING_COLUMNS["public.pedidos"]
CASES = {case.name: case for case in (*DIRT, *SQLITE_ONLY_DIRT)}
KEY = 4711


def build_row(case: str | DirtCase, **changes: object) -> dict[str, object]:
    """Build the row that replication would bring for a case of dirt."""
    row = build_dirty_order(CASES[case] if isinstance(case, str) else case, KEY, now=DEFAULT_NOW)
    return {name: value for name, value in row.items() if name in PEDIDOS} | changes


def land(conn: Connection, row: Mapping[str, object]) -> None:
    statement = sql.SQL("INSERT INTO public.pedidos ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    conn.execute(statement, row)


def read(conn: Connection, key: int = KEY) -> dict[str, Any]:
    """Read one order of the window; fail if it is not there."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM vitrine.pedidos WHERE id = %s", [key]).fetchone()
    assert row is not None, "the order is missing from the window"
    return row


def project(conn: Connection, case: str) -> dict[str, Any]:
    land(conn, build_row(case))
    return read(conn)


def ask(conn: Connection, statement: str, *values: object) -> Any:
    row = conn.execute(statement, values).fetchone()
    assert row is not None
    return row[0]


STATUSES = {
    "status_penden": "pendente",
    "status_empty": "pendente",
    "status_blank": "pendente",
    "status_missing": "pendente",
    "status_em_producao_spaced": "em_producao",
    "status_em_producao_accents": "em_producao",
    "status_em_producao_decomposed": "em_producao",
    "status_em_producao_joined": "em_producao",
    "status_em_producao_upper": "em_producao",
    "status_pronto_padded": "pronto",
    "status_entregue_newline": "entregue",
    "status_concluido": "entregue",
    "status_concluido_accent": "entregue",
    "status_cancelado_upper": "cancelado",
}


@pytest.mark.parametrize("case", STATUSES)
def test_a_status_of_sgps_is_one_of_five(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["status"], found["avisos"]) == (STATUSES[case], [])


def test_a_status_is_trimmed_as_sgp_trims_it(landing: Connection) -> None:
    """SGP's trim is Python's, which takes a no-break space away too."""
    assert project(landing, "status_pronto_no_break_space")["status"] == "pronto"


@pytest.mark.parametrize("case", ["status_unknown", "status_fifty_letters", "status_long"])
def test_an_unknown_status_is_pending_and_said(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["status"], found["avisos"]) == ("pendente", ["status_desconhecido"])


MONEY = {
    "valor_total_comma": "20.00",
    "valor_total_brazilian": "1234.56",
    "valor_total_currency": "5.00",
    "valor_total_currency_no_break_space": "1234.56",
    "valor_total_american": "1955.00",
    "valor_total_dots_only": "1955.00",
    "valor_total_commas_only": "1955.00",
    "valor_total_millions": "12345678.90",
    "valor_total_negative": "-5.00",
    "valor_total_thirds": "0.33",
}


@pytest.mark.parametrize("case", MONEY)
def test_money_is_read(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert [found[name] for name in ("valor_total", "valor_frete", "valor_itens")] == [
        Decimal(MONEY[case])
    ] * 3
    assert found["avisos"] == []


@pytest.mark.parametrize(
    "case",
    [
        f"valor_total_{key}"
        for key in (
            "to_agree", "beyond_int8", "four_hundred_digits", "exponent_huge", "not_a_number", "infinity",
            "superscript", "with_words", "two_amounts", "separators_only", "arabic_digits",
        )
    ],
)  # fmt: skip
def test_what_is_no_amount_is_null_and_said(landing: Connection, case: str) -> None:
    found = project(landing, case)
    names = ("valor_total", "valor_frete", "valor_itens")
    assert [found[name] for name in names] == [None] * 3
    assert found["avisos"] == [f"{name}_ilegivel" for name in names]


@pytest.mark.parametrize("case", ["valor_total_missing", "valor_total_empty", "valor_total_blank"])
def test_no_amount_is_null_without_a_word(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["valor_total"], found["avisos"]) == (None, [])


@pytest.mark.parametrize("text", ["0." + "0" * 20_000, "1," + "9" * 20_000], ids=["zeros", "nines"])
def test_money_of_any_length_is_read(landing: Connection, text: str) -> None:
    assert ask(landing, "SELECT projection.parse_money(%s)", text) == (0 if text[0] == "0" else 2)


def test_a_freight_to_agree_spoils_nothing_else(landing: Connection) -> None:
    found = project(landing, "valor_frete_to_agree")
    assert (found["valor_frete"], found["valor_total"]) == (None, Decimal("120.00"))
    assert found["avisos"] == ["valor_frete_ilegivel"]


DATES = {
    "data_entrada_with_time": date(2026, 11, 11),
    "data_entrada_zulu": date(2026, 1, 11),
    "data_entrada_late_zulu": date(2026, 11, 11),
    "data_entrada_milliseconds": date(2026, 11, 11),
    "data_entrada_space_and_time": date(2026, 11, 11),
    "data_entrada_padded": date(2026, 11, 11),
    "data_entrada_brazilian": date(2025, 12, 31),
    "data_entrada_leap_day": date(2024, 2, 29),
    "data_entrada_year_1": date(1, 1, 1),
    "data_entrada_year_9999": date(9999, 12, 31),
}


@pytest.mark.parametrize("case", DATES)
def test_a_date_is_read(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["data_entrada"], found["data_entrega"]) == (DATES[case], DATES[case])
    assert found["avisos"] == []


@pytest.mark.parametrize(
    "case",
    [
        f"data_entrada_{key}"
        for key in (
            "no_such_day", "no_such_leap_day", "zeros", "month_thirteen", "year_10000", "year_20026", "words",
            "today", "infinity", "epoch", "julian", "nan", "arabic_digits", "millisecond_clock",
        )
    ],
)  # fmt: skip
def test_what_is_no_date_is_null_and_said(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["data_entrada"], found["data_entrega"]) == (None, None)
    assert found["avisos"] == ["data_entrada_ilegivel", "data_entrega_ilegivel"]


CITIES = {
    "cidade_cliente_missing": ("", ""),
    "cidade_cliente_empty": ("", ""),
    "cidade_cliente_plain": ("Serra", ""),
    "cidade_cliente_dashed": ("Vitória", "ES"),
    "cidade_cliente_hyphen_and_dash": ("Embu-Guaçu", "SP"),
    "cidade_cliente_hyphen_plain": ("Xique-Xique", ""),
    "cidade_cliente_dashed_twice": ("São Paulo - Zona Sul", "SP"),
    "cidade_cliente_bars_only": ("", ""),
    "cidade_cliente_no_state": ("Vila Velha", ""),
    "cidade_cliente_no_city": ("", "ES"),
    "cidade_cliente_lower": ("vila velha", "ES"),
    "cidade_cliente_padded": ("Ilhéus", "BA"),
}


@pytest.mark.parametrize("case", CITIES)
def test_a_city_is_split(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert (found["cidade_cliente"], found["estado_cliente"]) == CITIES[case]


BETWEEN = [
    case.name for case in DIRT if str(case.overrides.get("items")).startswith(f"[{FIRST}, ")
    and str(case.overrides["items"]).endswith(f", {LAST}]")
]  # fmt: skip


def test_there_are_spoilt_items_between_good_ones() -> None:
    assert len(BETWEEN) > 70


@pytest.mark.parametrize("case", BETWEEN)
def test_what_spoils_one_item_costs_that_item_only(landing: Connection, case: str) -> None:
    found = project(landing, case)
    told = [item["descricao"] for item in found["items"]]
    assert told[0] == "Item bom nº 1"
    assert told[-1] == "Item bom nº 3"
    assert found["items"][-1]["especificacoes"] == "1,00 x 2,00 m\nOxford"


ITEMS = {
    "items_missing": ([], []),
    "items_empty": ([], []),
    "items_blank": ([], []),
    "items_null": ([], []),
    "items_empty_list": ([], []),
    "items_truncated": (["Item bom nº 1"], ["item_ilegivel"]),
    "items_object": (["Item bom nº 1"], []),
    "items_list_of_texts": (["Painel", "Lona 3x2"], []),
    "items_only_null": ([], ["item_ilegivel"]),
    "items_null_elements": (["Item bom nº 1", "Item bom nº 3"], ["item_ilegivel"]),
    "items_text_nul_escape": (["Item bom nº 1", "antesdepois", "Item bom nº 3"], []),
    "items_text_lone_high_surrogate": (["Item bom nº 1", "emoji cortado \ufffd", "Item bom nº 3"], []),
    "items_text_surrogate_pair": (["Item bom nº 1", "festa 🎉", "Item bom nº 3"], []),
    "items_number_nan": (["Item bom nº 1", "Item do meio", "Item bom nº 3"], []),
    "items_number_number_as_text_key": (["Item bom nº 1", "12345", "Item bom nº 3"], []),
}


@pytest.mark.parametrize("case", ITEMS)
def test_items_of_a_kind(landing: Connection, case: str) -> None:
    found = project(landing, case)
    assert ([item["descricao"] for item in found["items"]], found["avisos"]) == ITEMS[case]


IDS = {
    "items_id_as_text": 1001,
    "items_id_thirteen_digits": 1767225600123,
    "items_id_thirteen_digits_as_text": 1767225600123,
    "items_id_beyond_int8": KEY * 1000 + 1,
    "items_id_beyond_double": KEY * 1000 + 1,
    "items_id_negative": KEY * 1000 + 1,
    "items_id_words": KEY * 1000 + 1,
    "items_id_null": KEY * 1000 + 1,
    "items_id_object": KEY * 1000 + 1,
}


@pytest.mark.parametrize("case", IDS)
def test_an_items_id(landing: Connection, case: str) -> None:
    assert project(landing, case)["items"][1]["id"] == IDS[case]


@pytest.mark.parametrize("case", [name for name in CASES if "data_url" in name and name.startswith("items")])
def test_no_data_url_of_an_item_is_in_the_window(landing: Connection, case: str) -> None:
    items = project(landing, case)["items"]
    assert len(items) > 0, "nothing that could hold one"
    assert "data:" not in json.dumps(items).lower()


def test_a_data_url_glued_to_a_word_does_not_pass(landing: Connection) -> None:
    land(
        landing, build_row("items_empty", items='[{"descricao": "foto1data:image/png;base64,iVBORw0KGgo="}]')
    )
    [item] = read(landing)["items"]
    assert item["descricao"] == ""
    assert "base64" not in json.dumps(item)


@pytest.mark.parametrize(
    "url",
    ["data:;base64,iVBORw0KGgo=", "data:;charset=utf-8;base64,T2k=", "data:,iVBORw0KGgo", "foto1data:;x,iV"],
)
def test_a_data_url_without_a_type_does_not_pass(landing: Connection, url: str) -> None:
    items = json.dumps([{"descricao": text, "tecido": text} for text in (url, f"veja {url}")])
    found = ask(landing, "SELECT items FROM projection.project_items(%s, 7)", items)
    assert [(item["descricao"], item.get("tecido")) for item in found] == [("", None)] * 2


@pytest.mark.parametrize("text", ["Data:12/03/2026", "data: 12/03", "na data:, como sempre", "Data;hora"])
def test_a_date_is_no_data_url(landing: Connection, text: str) -> None:
    items = json.dumps([{"descricao": text}])
    found = ask(landing, "SELECT items FROM projection.project_items(%s, 7)", items)
    assert [item["descricao"] for item in found] == [text]


@pytest.mark.parametrize("case", [case.name for case in SQLITE_ONLY_DIRT])
def test_what_only_sqlite_lets_in_keeps_the_contract_too(landing: Connection, case: str) -> None:
    pedido = Pedido.model_validate(project(landing, case))
    assert pedido.prioridade == ("ALTA" if case == "prioridade_lower" else "NORMAL")


def test_a_row_of_nothing_but_its_key_is_an_order(landing: Connection) -> None:
    land(landing, {"id": KEY})
    pedido = Pedido.model_validate(read(landing))
    assert (pedido.status, pedido.cliente, pedido.items) == (Status.PENDENTE, "", [])


def test_naive_times_are_utc(landing: Connection) -> None:
    land(landing, build_row("items_empty", data_criacao="2026-01-11T10:00:00"))
    assert read(landing)["data_criacao"].isoformat() == "2026-01-11T10:00:00+00:00"


def test_aware_times_stay_what_they_are(landing: Connection) -> None:
    """The other variant of SGP's schema."""
    landing.execute("ALTER TABLE public.pedidos ALTER data_criacao TYPE timestamptz")
    land(landing, build_row("items_empty", data_criacao="2026-01-11T10:00:00-03:00"))
    assert read(landing)["data_criacao"].isoformat() == "2026-01-11T13:00:00+00:00"


def test_a_strange_row_costs_no_session(landing: Connection) -> None:
    """A constraint of the landing table itself is the only thing that may refuse."""
    with pytest.raises(psycopg.errors.NotNullViolation), landing.transaction():
        land(landing, build_row("numero_missing", id=None))
    assert project(landing, "numero_missing")["id"] == KEY
