"""What SGP itself says of an order, made clean as the projection on the intranet makes it. Pure."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from db.contract import Status
from db.sync import SgpPedido

_WORDS = {
    "penden": Status.PENDENTE,
    "em producao": Status.EM_PRODUCAO,
    "em produção": Status.EM_PRODUCAO,
    "emproducao": Status.EM_PRODUCAO,
    "concluido": Status.ENTREGUE,
    "concluído": Status.ENTREGUE,
}
"""What is not one of the five as it stands; what nobody knows is pending."""
_LARGEST = 10**12
"""An amount has twelve digits before the point."""


def read_partial(one: SgpPedido) -> dict[str, Any]:
    """Return what `push.take_partial` takes: only what SGP said."""
    said: dict[str, Any] = {"id": one.pedido_id, "deleted": one.deleted}
    if one.updated_at is not None:
        said["ultima_atualizacao"] = one.updated_at.isoformat()
    if "numero" in one.model_fields_set:
        said["numero"] = one.numero
    if one.cliente_nome is not None:
        said["cliente"] = one.cliente_nome
    if "status" in one.model_fields_set:
        said["status"] = read_status(one.status)
    if (amount := read_amount(one.valor_total)) is not None:
        said["valor_total"] = amount
    return said


def read_status(said: str | None) -> Status:
    """Return one of the five."""
    word = unicodedata.normalize("NFC", said or "").strip().lower()
    return _WORDS.get(word) or (Status(word) if word in list(Status) else Status.PENDENTE)


def read_amount(said: float | None) -> str | None:
    """Return an amount, or None where none is known: SGP says 0.0 of what it could not read."""
    if not said or not math.isfinite(said) or abs(said) >= _LARGEST:
        return None
    return f"{said:.2f}"
