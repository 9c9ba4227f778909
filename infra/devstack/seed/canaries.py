"""Strings that must never be seen outside: planted where the secrets are, searched for by the tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

PARTLY_PUBLIC = {
    "pedidos": ("tipo_pagamento", "obs_pagamento"),
    "user": ("password_hash", "password_plain", "created_at", "updated_at"),
    "revoked_tokens": ("token",),
}
"""Tables that leave SGP, with their secret or internal text columns."""

WHOLLY_SECRET = {
    "machines": ("name",),
    "print_logs": ("error_message",),
    "material": ("nome", "tipo", "observacao"),
    "cliente": ("nome", "cep", "cidade", "estado", "telefone"),
    "sync_outbox": ("entity", "operation", "payload"),
    "reposicoes": ("motivo", "status"),
    "designer": ("nome",),
    "vendedor": ("nome",),
    "envio": ("nome",),
    "payment": ("nome",),
    "producoes": ("name",),
    "fichas": ("numero_pedido", "cliente", "dados"),
    "ficha_templates": ("nome", "html"),
    "relatorio_templates": ("nome", "html"),
    "safira_logs": ("username", "pergunta", "resposta"),
    "_migrations": ("name", "applied_at"),
}
"""Tables that replication never carries; the first three do cross, as answers to live questions."""

ITEM_KEYS = (
    "valor_unitario",
    "valor_ilhos",
    "valor_cordinha",
    "valor_paineis",
    "valor_totem",
    "valor_lona",
    "valor_adesivo",
    "valor_total",
    "valores_adicionais",
    "outros_valores",
    "outros_valores_totem",
    "outros_valores_lona",
    "ilhos_valor_unitario",
    "unit_price",
    "subtotal",
    "imagem",
    "imagem_path",
    "image_reference",
    "server_reference",
    "acabamento.valor_overloque",
    "observacao",
    "campo_que_ninguem_conhece",
)
"""Where the item canaries sit. `observacao` itself is served: there the canary is inside a data URL."""


def make_canary(*place: str) -> str:
    """Make the string for one place: plain ASCII, unique, not found in any source text."""
    digest = hashlib.sha256("/".join(place).encode()).hexdigest()[:12]
    return f"CANARIO-{'-'.join(place)}-{digest}"


CANARIES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (table, column): make_canary(table, column)
        for table, columns in {**PARTLY_PUBLIC, **WHOLLY_SECRET}.items()
        for column in columns
    }
)
"""(table, column) -> the string planted in at least one row of it."""

ITEM_CANARIES: Mapping[str, str] = MappingProxyType({key: make_canary("items", key) for key in ITEM_KEYS})
"""Place inside an object of `pedidos.items` -> string. The landing tables hold them; the VPS never may."""


def plant_in_item(item: dict[str, object]) -> dict[str, object]:
    """Return a copy of a clean item with every item canary in its place."""
    served = {"observacao", "acabamento.valor_overloque", "imagem"}
    planted = {**item, **{key: text for key, text in ITEM_CANARIES.items() if key not in served}}
    planted["acabamento"] = {
        "overloque": True,
        "valor_overloque": ITEM_CANARIES["acabamento.valor_overloque"],
    }
    planted["observacao"] = f"data:image/png;base64,{ITEM_CANARIES['observacao']}"
    planted["imagem"] = f"pedidos/tmp/{ITEM_CANARIES['imagem']}.png"
    return planted
