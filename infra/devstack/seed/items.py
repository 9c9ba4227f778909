"""Items of clean orders, with the keys that SGP's forms write."""

from __future__ import annotations

import random
from collections.abc import Mapping

from .words import (
    COLOR_PROFILES,
    COMMENTS,
    DESIGNERS,
    FABRICS,
    ITEM_NOTES,
    MACHINES,
    SELLERS,
    TRADE_NAMES,
    write_money,
)

Item = dict[str, object]

KINDS = ("painel", "totem", "lona", "adesivo", "almofada", "bolsinha", "canga", "toalha")
WITHOUT_ITEM_IDS_EVERY = 5
OTHER_IMAGE_FORMS = (
    None,
    "",
    "pedidos/tmp/{hex}.png",
    "https://arquivos.invalid/artes/{hex}.jpg",
    "C:\\Users\\loja\\Desktop\\arte {hex}.jpg",
    "data:image/png;base64,{hex}",
)


def build_items(rng: random.Random, pedido_id: int, *, count: int, images: Mapping[int, int]) -> list[Item]:
    """Build `count` items; `images` gives the image id that item number n points at."""
    return [build_item(rng, pedido_id, index, imagem_id=images.get(index)) for index in range(count)]


def build_item(rng: random.Random, pedido_id: int, index: int, *, imagem_id: int | None) -> Item:
    """Build one item of a random kind."""
    kind = rng.choice(KINDS)
    width, height = rng.randint(30, 600), rng.randint(30, 300)
    item: Item = {
        "id": find_item_id(pedido_id, index),
        "tipo_producao": kind,
        "descricao": f"{kind.capitalize()} {rng.choice(TRADE_NAMES)}",
        "largura": write_metres(width),
        "altura": write_metres(height),
        "metro_quadrado": write_metres(width * height / 100),
        "vendedor": rng.choice(SELLERS),
        "designer": rng.choice(DESIGNERS),
        "tecido": rng.choice(FABRICS),
        "acabamento": {key: rng.random() < 0.4 for key in ("overloque", "elastico", "ilhos")},  # noqa: PLR2004
        "emenda": "sem-emenda",
        "observacao": rng.choice(ITEM_NOTES),
        "valor_unitario": write_money(rng, rng.randint(900, 90_000)),
        "imagem": f"/pedidos/imagens/{imagem_id}" if imagem_id else write_other_image(rng),
        "machine_id": rng.randint(1, len(MACHINES)),
        "perfil_cor": rng.choice(COLOR_PROFILES),
        "status_arte": rng.choice(("aguardando", "liberado")),
        "terceirizado": False,
        **build_extras(rng, kind),
    }
    if pedido_id % WITHOUT_ITEM_IDS_EVERY == 0:
        del item["id"]  # older orders: the id is pedido_id * 1000 + index
    return item


def find_item_id(pedido_id: int, index: int) -> int:
    """Give an item's id: SGP's own rule, or for some orders the 13 digits of a browser's clock."""
    own = pedido_id * 1000 + index
    from_browser = pedido_id % 7 == 0 and pedido_id % WITHOUT_ITEM_IDS_EVERY > 0
    return own + 1_760_000_000_000 if from_browser else own


def build_extras(rng: random.Random, kind: str) -> Item:
    """Build the keys that only some kinds and some orders have."""
    extras: Item = {}
    match kind:
        case "painel":
            quantity = rng.randint(4, 24)
            extras |= {"tipo_acabamento": "ilhos", "quantidade_ilhos": str(quantity), "espaco_ilhos": "30cm"}
            extras |= {"valor_ilhos": "1,50", "ilhos_valor_unitario": "1,50", "quantidade_paineis": "1"}
        case "totem":
            extras |= {"quantidade_totem": "1", "acabamento_totem": "com_pe", "valor_totem": "180,00"}
            extras |= {"outros_valores_totem": "0,00"}
        case "lona":
            extras |= {"quantidade_lona": "1", "acabamento_lona": "refilar", "valor_lona": "95,00"}
            extras |= {"tipo_acabamento": "cordinha", "quantidade_cordinha": "4", "valor_cordinha": "2,00"}
        case "adesivo":
            extras |= {"tipo_adesivo": "vinil fosco", "quantidade_adesivo": str(rng.randint(1, 500))}
            extras |= {"valor_adesivo": "3,20", "outros_valores_adesivo": ""}
        case "almofada" | "bolsinha":
            extras |= {"ziper": True, "cordinha_extra": False, "alcinha": kind == "bolsinha"}
            extras |= {"composicao_tecidos": "Frente: Oxford | Verso: Microfibra", "valores_adicionais": []}
        case _:
            extras |= {"toalha_pronta": kind == "toalha", "emenda": "com-emenda", "emenda_qtd": 1}
    return extras | build_production(rng)


def build_production(rng: random.Random) -> Item:
    """Build what the print room adds to about a third of the items."""
    if rng.random() < 0.65:  # noqa: PLR2004
        return {}
    comment = {"id": rng.randint(1, 10**6), "autor": rng.choice(DESIGNERS), "texto": rng.choice(COMMENTS)}
    return {
        "rip_maquina": rng.choice(MACHINES),
        "data_impressao": f"2026-{rng.randint(1, 11):02d}-{rng.randint(1, 28):02d}",
        "tecido_fornecedor": f"Tecelagem {rng.choice(TRADE_NAMES)}",
        "comentarios": [{**comment, "data": "2026-10-05T13:20:00.000Z"}],
    }


def write_metres(centimetres: float) -> str:
    """Write centimetres as metres with a comma."""
    return f"{centimetres / 100:.2f}".replace(".", ",")


def write_other_image(rng: random.Random) -> str | None:
    """Write what an item without a stored image has in `imagem`: mostly nothing."""
    form = rng.choices(OTHER_IMAGE_FORMS, weights=(60, 25, 6, 3, 3, 3))[0]
    return form and form.replace("{hex}", f"{rng.getrandbits(128):032x}")
