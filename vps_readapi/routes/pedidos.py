"""`/pedidos`: the orders, as SGP's API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row

from db.contract import Status
from vps_readapi.auth.session import read_session
from vps_readapi.context import Services, Used
from vps_readapi.errors import ProblemError
from vps_readapi.photos import Photo
from vps_readapi.queries import (
    MAX_INT4,
    DateMode,
    PedidoFilter,
    find_pedido,
    list_pedidos,
    list_photos,
)
from vps_readapi.rendering import encode_list, encode_pedido
from vps_readapi.schemas import PedidoJson

router = APIRouter(prefix="/pedidos", dependencies=[Depends(read_session)])


class ListQuery(BaseModel):
    """What may stand behind the `?` of the list."""

    skip: int = Field(default=0, ge=0, le=MAX_INT4)
    limit: int | None = Field(default=None, ge=0, le=MAX_INT4)
    status: Status | None = None
    cliente: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00]*$")
    data_inicio: str | None = None
    data_fim: str | None = None
    date_mode: DateMode = DateMode.ENTRADA
    is_pronto: bool | None = None

    def to_filter(self) -> PedidoFilter:
        """Return what is wanted. Raise ProblemError (400) for a date that is none."""
        return PedidoFilter(
            status=self.status,
            cliente=self.cliente,
            is_pronto=self.is_pronto,
            date_mode=self.date_mode,
            first=_read_date("data_inicio", self.data_inicio),
            last=_read_date("data_fim", self.data_fim),
        )


@router.get("", include_in_schema=False)
@router.get("/", response_model=list[PedidoJson])
async def read_list(query: Annotated[ListQuery, Query()], services: Used) -> Response:
    """Answer a bare array; without a limit, of all orders."""
    statement = list_pedidos(query.to_filter(), skip=query.skip, limit=query.limit)
    return _answer(encode_list(await _encode_all(services, await services.database.fetch(statement))))


@router.get("/{pedido_id}", response_model=PedidoJson)
async def read_one(pedido_id: int, services: Used) -> Response:
    """Answer one order."""
    known = 0 <= pedido_id <= MAX_INT4
    rows = await services.database.fetch(find_pedido(pedido_id)) if known else []
    found = await _encode_all(services, rows)
    if not found:
        raise ProblemError(404, "Pedido não encontrado")
    return _answer(found[0])


async def _encode_all(services: Services, rows: Sequence[Row[Any]]) -> list[bytes]:
    """Encode orders with their photos, which one more query brings for all of them."""
    photos: defaultdict[int, list[Photo]] = defaultdict(list)
    if rows:
        for photo in await services.database.fetch(list_photos(row.id for row in rows)):
            photos[photo.pedido_id].append(
                Photo(photo.id, photo.item_index, photo.item_identificador, photo.chave)
            )
    link = services.media.link
    encoded = (encode_pedido(row._asdict(), photos.get(row.id, ()), link) for row in rows)
    return [one for one in encoded if one is not None]


def _answer(content: bytes) -> Response:
    return Response(content, media_type="application/json", headers={"Cache-Control": "private, no-cache"})


def _read_date(name: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise ProblemError(400, f"Data inválida em {name}; use AAAA-MM-DD") from None
