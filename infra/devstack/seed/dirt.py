"""Every kind of dirt that SGP's orders hold, one order each."""

from __future__ import annotations

from datetime import datetime, timedelta

from .canaries import CANARIES
from .dirt_case import DirtCase
from .dirt_columns import COLUMN_DIRT
from .dirt_items import ITEM_DIRT
from .items import Item
from .load import Row
from .moments import shop_day, stamp
from .orders import FLAGS, write_items

DIRT: tuple[DirtCase, ...] = (*COLUMN_DIRT, *ITEM_DIRT)

DIRT_SPREAD_DAYS = 60
DIRT_FORMA_ENVIO_ID = 99
"""Marks a dirty order inside SGP's database: an internal column that no case overrides."""


def dirt_ids(orders: int) -> dict[str, int]:
    """Map each case's name to its order's id in a seed of so many orders: they are the last ones."""
    first = orders - len(DIRT) + 1
    return {case.name: first + offset for offset, case in enumerate(DIRT)}


def build_dirty_order(case: DirtCase, pedido_id: int, *, now: datetime) -> Row:
    """Build one order in production, of the last weeks, plain but for its case's overrides."""
    created = now - timedelta(days=2 + pedido_id % DIRT_SPREAD_DAYS, minutes=pedido_id % 1000)
    item: Item = {"descricao": "Painel do caso", "largura": "3,00", "altura": "2,00", "tecido": "Tactel"}
    row: Row = {
        "id": pedido_id,
        "numero": f"{pedido_id:010d}",
        "cliente": f"Caso {case.name}",
        "telefone_cliente": "(27) 90000-0099",
        "cidade_cliente": "Vila Velha||ES",
        "status": "em_producao",
        "prioridade": "NORMAL",
        "data_entrada": shop_day(created),
        "data_entrega": shop_day(created, plus_days=12),
        "observacao": None,
        "valor_itens": "100.00",
        "valor_frete": "20.00",
        "valor_total": "120.00",
        "tipo_pagamento": CANARIES["pedidos", "tipo_pagamento"],
        "obs_pagamento": CANARIES["pedidos", "obs_pagamento"],
        "forma_envio": "Importado (legado)",
        "forma_envio_id": DIRT_FORMA_ENVIO_ID,
        **{flag: index < 2 for index, flag in enumerate(FLAGS)},  # noqa: PLR2004
        "sublimacao_maquina": None,
        "sublimacao_data_impressao": None,
        "financeiro_liberado_em": stamp(created),
        "items": write_items([item]),
        "data_criacao": stamp(created),
        "ultima_atualizacao": stamp(created),
    }
    return row | dict(case.overrides)
