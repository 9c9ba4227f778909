"""From the window's rows to the PWA's JSON. What a row holds against the contract costs that value only.

One unknown status or one null among the items blanks the whole PWA, so nothing leaves unchecked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from db.contract import ITEM_EXTRA_KEYS, Item, Prioridade, Status
from db.freshness import Arrival, measure_freshness
from vps_readapi.pedidos.match_photos import OrderPhoto, match_photos
from vps_readapi.schemas import ItemJson, PedidoJson, SincronizacaoJson

Model = TypeVar("Model", bound=BaseModel)
Link = Callable[[str | None], str | None]

ITEM_KEYS = frozenset(ITEM_EXTRA_KEYS) | frozenset(Item.model_fields)
SETORES = ("financeiro", "conferencia", "sublimacao", "costura", "expedicao")
FALLBACKS: Mapping[str, Any] = {
    **dict.fromkeys(PedidoJson.model_fields),
    **dict.fromkeys(("cliente", "cidade_cliente", "estado_cliente"), ""),
    **dict.fromkeys((*SETORES, *(f"setor_{name}" for name in SETORES), "pronto"), False),
    "status": Status.PENDENTE,
    "prioridade": Prioridade.NORMAL,
}
"""What an order shows where its row can't be read; None for the id, which has no substitute."""

_pedido_adapter = TypeAdapter(PedidoJson)
log = logging.getLogger(__name__)


def encode_pedido(row: Mapping[str, Any], photos: Sequence[OrderPhoto], link: Link) -> bytes | None:
    """Return one order's JSON, or None if not even its id can be read."""
    pedido = render_pedido(row, photos, link)
    return None if pedido is None else _pedido_adapter.dump_json(pedido)


def encode_list(pedidos: Iterable[bytes]) -> bytes:
    """Return the JSON array of orders that are JSON already."""
    return b"[" + b",".join(pedidos) + b"]"


def render_pedido(row: Mapping[str, Any], photos: Sequence[OrderPhoto], link: Link) -> PedidoJson | None:
    """Check a row of the window and give it the names that the PWA reads; None if it can't be mended."""
    values = {
        **row,
        **{f"setor_{name}": row[name] for name in SETORES},
        "observacoes": row["observacao"],
        "maquina_sublimacao": row["sublimacao_maquina"],
        "data_impressao": row["sublimacao_data_impressao"],
        "items": render_items(read_items(row["items"], pedido_id=row["id"]), photos, link),
    }
    pedido = validate_or_mend(PedidoJson, values, FALLBACKS)
    if pedido is None:
        log.error("pedido_unreadable id=%s", row["id"])
    return pedido


def render_items(items: Sequence[ItemJson], photos: Sequence[OrderPhoto], link: Link) -> list[ItemJson]:
    """Give each item the link to its photo."""
    return [
        item.model_copy(update={"imagem_url": link(photo.chave)}) if photo else item
        for item, photo in zip(items, match_photos(items, photos), strict=True)
    ]


def read_items(raw: object, *, pedido_id: int) -> list[ItemJson]:
    """Check an order's items, leaving out what is no item and every key that may not leave."""
    elements = raw if isinstance(raw, list) else []
    found = (
        read_item(element, pedido_id=pedido_id, place=place)
        for place, element in enumerate(elements)
        if isinstance(element, dict)
    )
    return [item for item in found if item is not None]


def read_item(raw: Mapping[str, Any], *, pedido_id: int, place: int) -> ItemJson | None:
    """Check one item; None if it can't be mended."""
    allowed = {key: value for key, value in raw.items() if key in ITEM_KEYS}
    fallbacks = {
        "id": pedido_id * 1000 + place,
        "indice": place,
        "imagem_id": None,
        **dict.fromkeys(("descricao", "especificacoes", "observacoes"), ""),
    }
    return validate_or_mend(ItemJson, allowed, fallbacks)


def validate_or_mend(
    model: type[Model], values: Mapping[str, Any], fallbacks: Mapping[str, Any]
) -> Model | None:
    """Validate; put fallbacks where that fails, leaving out what has none; None if that fails too."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors(include_url=False, include_input=False)}
    mended = {key: value for key, value in values.items() if key not in wrong}
    mended |= {key: fallbacks[key] for key in wrong if key in fallbacks}
    try:
        return model.model_validate(mended)
    except ValidationError:
        return None


def render_sincronizacao(arrival: Arrival) -> SincronizacaoJson:
    """Say how old the data is. Two clocks are compared, so the longer age counts: never a false OK."""
    measured = measure_freshness(beat_at=arrival.beat_at, received_at=arrival.received_at, now=arrival.now)
    age = None if measured.age_seconds is None else round(measured.age_seconds, 1)
    return SincronizacaoJson(
        beat_at=arrival.beat_at, received_at=arrival.received_at, idade_s=age, estado=measured.state
    )
