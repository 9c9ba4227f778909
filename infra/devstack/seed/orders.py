"""Clean orders: rows of `pedidos` whose status, flags and dates agree with their age."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from .canaries import CANARIES
from .items import Item, build_items
from .load import Row
from .moments import shop_day, stamp
from .words import MACHINES, NOTES, PAYMENTS, SHIPPING, name_customer, write_city, write_money, write_phone

FLAGS = ("financeiro", "conferencia", "sublimacao", "costura", "expedicao", "pronto")
DELIVERED_AFTER_DAYS = 25
PRODUCED_AFTER_DAYS = 6
CANARY_EVERY = 5


def build_order(
    rng: random.Random,
    pedido_id: int,
    *,
    created: datetime,
    now: datetime,
    images: Mapping[int, int] | None = None,
) -> tuple[Row, list[Item]]:
    """Build one order's row and its items; `images` maps an item's index to the image it points at."""
    images = images or {}
    items = build_items(
        rng, pedido_id, count=max([rng.randint(1, 4), *(index + 1 for index in images)]), images=images
    )
    status = choose_status(rng, (now - created).days)
    passed = count_stages(rng, status)
    row = build_customer(rng) | build_money(rng, pedido_id) | build_stages(rng, passed, created)
    row |= {
        "id": pedido_id,
        "numero": f"{pedido_id:010d}",
        "status": status,
        "prioridade": rng.choices(("NORMAL", "ALTA"), weights=(88, 12))[0],
        "data_entrada": shop_day(created),
        "data_entrega": shop_day(created, plus_days=rng.randint(4, DELIVERED_AFTER_DAYS)),
        "observacao": rng.choice((*NOTES, "", None)),
        "items": write_items(items, ascii_only=pedido_id % 11 == 0),
        "data_criacao": stamp(created),
        "ultima_atualizacao": stamp(choose_update(rng, created, now)),
    }
    return row, items


def choose_status(rng: random.Random, age_days: int) -> str:
    """Choose a stored status that an order of this age has."""
    if age_days > DELIVERED_AFTER_DAYS:
        return rng.choices(("entregue", "pronto", "cancelado"), weights=(88, 7, 5))[0]
    if age_days > PRODUCED_AFTER_DAYS:
        return rng.choices(("em_producao", "pronto", "entregue", "cancelado"), weights=(45, 25, 27, 3))[0]
    return rng.choices(("pendente", "em_producao"), weights=(65, 35))[0]


def count_stages(rng: random.Random, status: str) -> int:
    """Count the sectors that an order of this status has passed, of six."""
    match status:
        case "entregue" | "pronto":
            return len(FLAGS)
        case "em_producao":
            return rng.randint(2, 5)
        case "cancelado":
            return rng.randint(0, 3)
        case _:
            return rng.randint(0, 1)


def build_stages(rng: random.Random, passed: int, created: datetime) -> Row:
    """Build the six flags and what passing finance and sublimation leaves behind."""
    row: Row = {flag: index < passed for index, flag in enumerate(FLAGS)}
    printed = bool(row["sublimacao"])
    row["financeiro_liberado_em"] = (
        stamp(created + timedelta(minutes=rng.randint(20, 240))) if passed else None
    )
    row["sublimacao_maquina"] = rng.choice(MACHINES) if printed else None
    row["sublimacao_data_impressao"] = shop_day(created, plus_days=2) if printed else None
    return row


def build_customer(rng: random.Random) -> Row:
    """Build the customer's columns."""
    envio_id, envio = rng.choice(SHIPPING)
    return {
        "cliente": name_customer(rng),
        "telefone_cliente": write_phone(rng),
        "cidade_cliente": write_city(rng),
        "forma_envio": envio,
        "forma_envio_id": envio_id,
    }


def build_money(rng: random.Random, pedido_id: int) -> Row:
    """Build the amounts and the payment, which is secret; every fifth order carries the canaries."""
    goods, freight = rng.randint(2_000, 450_000), rng.choice((0, 0, 1_990, 2_550, 12_000))
    planted = pedido_id % CANARY_EVERY == 0
    return {
        "valor_itens": write_money(rng, goods),
        "valor_frete": write_money(rng, freight),
        "valor_total": write_money(rng, goods + freight),
        "tipo_pagamento": CANARIES["pedidos", "tipo_pagamento"] if planted else rng.choice(PAYMENTS),
        "obs_pagamento": CANARIES["pedidos", "obs_pagamento"]
        if planted
        else rng.choice((None, "", "Entrada paga")),
    }


def choose_update(rng: random.Random, created: datetime, now: datetime) -> datetime:
    """Choose the last update's time; one order in four was changed without SGP noting it."""
    if rng.random() < 0.25:  # noqa: PLR2004
        return created
    return created + (min(now, created + timedelta(days=30)) - created) * rng.random()


def write_items(items: list[Item], *, ascii_only: bool = False) -> str:
    """Write items as the JSON text that SGP stores."""
    return json.dumps(items, ensure_ascii=ascii_only)
