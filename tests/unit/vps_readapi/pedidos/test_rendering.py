"""Window rows as the PWA's JSON: the agreed sample, and rows that break the contract."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from db.freshness import Arrival
from vps_readapi.pedidos.match_photos import OrderPhoto
from vps_readapi.pedidos.rendering import encode_list, encode_pedido, render_sincronizacao

pytestmark = pytest.mark.unit

CREATED = datetime(2026, 1, 11, 10, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": 7,
    "numero": "0000000007",
    "cliente": "ACME",
    "status": "pronto",
    "prioridade": "NORMAL",
    "data_entrada": date(2026, 1, 11),
    "data_entrega": date(2026, 2, 5),
    "cidade_cliente": "Vila Velha",
    "estado_cliente": "ES",
    "telefone_cliente": None,
    "valor_total": Decimal("1617.56"),
    "valor_frete": Decimal("0.00"),
    "valor_itens": Decimal("1617.56"),
    "observacao": "nota",
    "forma_envio": "Sedex",
    "financeiro": True,
    "conferencia": True,
    "sublimacao": False,
    "costura": False,
    "expedicao": False,
    "pronto": False,
    "sublimacao_maquina": None,
    "sublimacao_data_impressao": None,
    "items": [
        {
            "id": 7000,
            "indice": 0,
            "imagem_id": 3,
            "descricao": "Painel",
            "especificacoes": "3,00 x 2,00 m\nLona",
            "observacoes": "cuidado",
            "tecido": "Lona",
        }
    ],
    "data_criacao": CREATED,
    "ultima_atualizacao": CREATED,
    "avisos": [],
    "versao": 12,
}
SAMPLE = json.loads(
    """
{"id":7,"numero":"0000000007","cliente":"ACME","status":"pronto","prioridade":"NORMAL",
 "data_entrada":"2026-01-11","data_entrega":"2026-02-05",
 "cidade_cliente":"Vila Velha","estado_cliente":"ES","telefone_cliente":null,
 "valor_total":"1617.56","valor_frete":"0.00","valor_itens":"1617.56",
 "observacao":"nota","observacoes":"nota","forma_envio":"Sedex",
 "financeiro":true,"conferencia":true,"sublimacao":false,"costura":false,"expedicao":false,"pronto":false,
 "setor_financeiro":true,"setor_conferencia":true,"setor_sublimacao":false,"setor_costura":false,
 "setor_expedicao":false,"maquina_sublimacao":null,"data_impressao":null,
 "items":[{"id":7000,"descricao":"Painel","especificacoes":"3,00 x 2,00 m\\nLona","observacoes":"cuidado",
           "imagem_url":"https://h/3.webp","tecido":"Lona"}],
 "data_criacao":"2026-01-11T10:00:00","ultima_atualizacao":"2026-01-11T10:00:00"}
"""
)
PHOTO = OrderPhoto(id=3, item_index=0, item_identificador=None, chave="3.webp")


def link(chave: str | None) -> str | None:
    return chave and f"https://h/{chave}"


def render(*photos: OrderPhoto, **changed: Any) -> dict[str, Any]:
    encoded = encode_pedido({**ROW, **changed}, photos, link)
    assert encoded is not None
    decoded: dict[str, Any] = json.loads(encoded)
    return decoded


def render_item(item: object) -> dict[str, Any]:
    items: list[dict[str, Any]] = render(items=[item])["items"]
    (one,) = items
    return one


def test_renders_the_agreed_sample() -> None:
    assert render(PHOTO) == SAMPLE


def test_an_item_without_a_miniatura_has_a_null_link() -> None:
    assert render()["items"][0]["imagem_url"] is None
    waiting = OrderPhoto(id=3, item_index=0, item_identificador=None, chave=None)
    assert render(waiting)["items"][0]["imagem_url"] is None


def test_sublimacao_has_the_pwas_names() -> None:
    shown = render(sublimacao_maquina="M1", sublimacao_data_impressao="2026-01-12", sublimacao=True)
    assert (shown["maquina_sublimacao"], shown["data_impressao"]) == ("M1", "2026-01-12")
    assert shown["sublimacao"] is shown["setor_sublimacao"] is True
    assert "sublimacao_maquina" not in shown


@pytest.mark.parametrize(
    ("value", "total", "other"),
    [
        (None, "0.00", None),
        (Decimal(0), "0.00", "0.00"),
        (Decimal("-0.00"), "0.00", "0.00"),
        (Decimal(5), "5.00", "5.00"),
        (Decimal("999999999999.99"), "999999999999.99", "999999999999.99"),
        (Decimal("NaN"), "0.00", None),
        (Decimal("Infinity"), "0.00", None),
        ("muito", "0.00", None),
    ],
)
def test_money_is_point_decimal_text(value: object, total: str, other: str | None) -> None:
    shown = render(valor_total=value, valor_frete=value, valor_itens=value)
    assert [shown[name] for name in ("valor_total", "valor_frete", "valor_itens")] == [total, other, other]


def test_instants_are_naive_utc_without_a_fraction() -> None:
    brasilia = datetime(2026, 1, 11, 22, 30, 1, 999999, timezone(timedelta(hours=-3)))
    shown = render(data_criacao=brasilia, ultima_atualizacao=None)
    assert (shown["data_criacao"], shown["ultima_atualizacao"]) == ("2026-01-12T01:30:01", None)


def test_dates_may_be_unknown() -> None:
    shown = render(data_entrada=None, data_entrega=None)
    assert (shown["data_entrada"], shown["data_entrega"]) == (None, None)


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("status", "inventado", "pendente"),
        ("status", None, "pendente"),
        ("prioridade", "URGENTE", "NORMAL"),
        ("cliente", None, ""),
        ("cidade_cliente", 5, ""),
        ("telefone_cliente", 5, None),
        ("data_entrega", "amanhã", None),
        ("financeiro", None, False),
        ("items", None, []),
        ("items", {"a": 1}, []),
        ("items", "texto", []),
        ("versao", None, None),
        ("avisos", None, None),
    ],
)
def test_a_value_outside_the_contract_costs_that_value_only(
    column: str, value: object, shown: object
) -> None:
    expected = SAMPLE | ({column: shown} if column in SAMPLE else {})
    if column == "financeiro":
        expected["setor_financeiro"] = False
    assert render(PHOTO, **{column: value}) == expected


def test_an_order_without_a_readable_id_is_left_out() -> None:
    assert encode_pedido({**ROW, "id": None, "items": []}, (), link) is None


def test_what_is_no_item_is_left_out_and_its_neighbours_stay() -> None:
    shown = render(items=[None, "x", 1, [], ROW["items"][0], True])["items"]
    assert [item["id"] for item in shown] == [7000]


def test_an_item_is_mended_value_by_value() -> None:
    blank = {"descricao": "", "especificacoes": "", "observacoes": "", "imagem_url": None}
    assert render_item({}) == {"id": 7000} | blank
    assert render_item({"id": 2**53, "indice": "x", "imagem_id": "y", "descricao": 5}) == {"id": 7000} | blank
    assert render_item({"id": "41", "vendedor": "Ana"}) == {"id": 41, "vendedor": "Ana"} | blank


def test_an_item_shows_no_key_that_is_not_listed() -> None:
    secrets = {"valor_unitario": "9", "imagem_path": "x", "imagem_url": "http://x", "qualquer": "x"}
    shown = render_item({**ROW["items"][0], **secrets, "tecido": {"a": 1}, "designer": 5, "ziper": "Sim"})
    assert set(shown) == {"id", "descricao", "especificacoes", "observacoes", "imagem_url", "ziper"}
    assert shown["imagem_url"] is None


def test_a_list_is_one_array() -> None:
    assert json.loads(encode_list([])) == []
    assert json.loads(encode_list([b'{"id":1}', b'{"id":2}'])) == [{"id": 1}, {"id": 2}]


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("beat_s_ago", "received_s_ago", "age"),
    [
        (7.0, 5.0, 7.0),
        (3600.0, 1.0, 3600.0),  # an old beat that arrived just now
        (-50.0, 5.0, 5.0),  # SGP's clock is ahead
        (-50.0, -1.0, 0.0),
        (None, 5.0, None),
        (7.0, None, None),
    ],
)
def test_age_is_never_understated(
    beat_s_ago: float | None, received_s_ago: float | None, age: float | None
) -> None:
    def ago(seconds: float | None) -> datetime | None:
        return None if seconds is None else NOW - timedelta(seconds=seconds)

    shown = render_sincronizacao(Arrival(ago(beat_s_ago), ago(received_s_ago), NOW))
    assert shown.idade_s == age
