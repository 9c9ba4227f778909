"""`/pedidos`: the orders, as SGP's API shows them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue
from sqlalchemy import Row

from db.contract import Status
from vps_readapi.database import Rows
from vps_readapi.errors import PROBLEMS, ProblemError
from vps_readapi.front.from_memory import MISSING
from vps_readapi.pedidos.difference import Difference, read_difference
from vps_readapi.pedidos.keyset import MAX_INT4, PLACE, Place, find_place, read_place, write_place
from vps_readapi.pedidos.paging import find_last, read_page, read_pages
from vps_readapi.pedidos.queries import DateMode, PedidoFilter, find_pedidos, list_pedidos, sum_pedidos
from vps_readapi.pedidos.rendering import encode_list
from vps_readapi.pedidos.search import MAX_WORDS, read_words
from vps_readapi.pedidos.visibility import MONEY
from vps_readapi.routes.session import BEARER, Asker, Session, read_session
from vps_readapi.routes.streaming import answer_pieces, encode_pages
from vps_readapi.schemas import ContagemJson, DiferencaJson, PedidoJson, ResumoJson, TotaisJson, TotalJson
from vps_readapi.services import Services, Used

MAX_PAGE = 1000
DAY: dict[str, JsonValue] = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "maxLength": 0},
        {"type": "null"},
    ]
}
"""What a date may be; it is read by hand, because SGP answers 400 to what is none."""

router = APIRouter(
    prefix="/pedidos", dependencies=[Depends(read_session), Depends(BEARER)], responses=PROBLEMS
)


class FilterQuery(BaseModel):
    """What may stand behind the `?` of everything that is about a number of orders."""

    status: Status | None = None
    cliente: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00]*$")
    busca: str | None = Field(default=None, max_length=200, pattern=r"^[^\x00]*$")
    """Words, all of which stand in the number, client, city or note, whatever their accents."""
    data_inicio: str | None = Field(default=None, json_schema_extra=DAY)
    data_fim: str | None = Field(default=None, json_schema_extra=DAY)
    date_mode: DateMode = DateMode.ENTRADA
    is_pronto: bool | None = None

    def to_filter(self, status: Status | None = None) -> PedidoFilter:
        """Return what is wanted. Raise ProblemError: 400 for a date that is none, 422 for too many words."""
        if len(read_words(self.busca or "")) > MAX_WORDS:
            raise ProblemError(422, f"Palavras demais na busca; use até {MAX_WORDS}")
        return PedidoFilter(
            status=status or self.status,
            cliente=self.cliente,
            busca=self.busca,
            is_pronto=self.is_pronto,
            date_mode=self.date_mode,
            first=_read_date("data_inicio", self.data_inicio),
            last=_read_date("data_fim", self.data_fim),
        )


class ListQuery(FilterQuery):
    """The same for a list: by `skip` and `limit`, or by `depois`, the place that a page's `Link` names."""

    skip: int = Field(default=0, ge=0, le=MAX_INT4)
    limit: int | None = Field(default=None, ge=0, le=MAX_INT4)
    depois: str | None = Field(default=None, pattern=PLACE)


class WholeQuery(ListQuery):
    """The same with `desde`, a cursor: then the difference since is answered, and no filter counts."""

    desde: str | None = Field(default=None, max_length=64)


@router.get("", include_in_schema=False)
@router.get("/", response_model=list[PedidoJson] | DiferencaJson)
async def read_list(
    query: Annotated[WholeQuery, Query()], services: Used, session: Session, request: Request
) -> Response:
    """Answer a bare array, of all orders where there is no limit; with `desde`, the difference since."""
    if query.desde is not None:
        return await _answer_difference(services, query.desde, session)
    return await _answer_list(services, query, query.to_filter(), request, session)


@router.get("/totais")
async def read_totals(query: Annotated[FilterQuery, Query()], services: Used, session: Session) -> TotaisJson:
    """Count and sum the orders that a filter finds."""
    rows = await services.database.fetch(sum_pedidos(query.to_filter(), time_zone=services.time_zone))
    return _add(rows, session.hidden)


@router.get("/resumo")
async def read_summary(services: Used, session: Session) -> ResumoJson:
    """Count and sum the orders of each status."""
    rows = await services.database.fetch(sum_pedidos(PedidoFilter(), time_zone=services.time_zone))
    return ResumoJson(
        total=_add(rows, session.hidden),
        por_status={one: _add([row for row in rows if row.status == one], session.hidden) for one in Status},
    )


@router.get("/total")
async def read_total(query: Annotated[FilterQuery, Query()], services: Used) -> TotalJson:
    """Count the orders that a filter finds."""
    rows = await services.database.fetch(sum_pedidos(query.to_filter(), time_zone=services.time_zone))
    return TotalJson(total=sum(row.pedidos for row in rows))


@router.get("/summary")
async def read_counts(services: Used) -> ContagemJson:
    """Count the orders of each status."""
    rows = await services.database.fetch(sum_pedidos(PedidoFilter(), time_zone=services.time_zone))
    found = dict.fromkeys(Status, 0) | {Status(row.status): row.pedidos for row in rows}
    return ContagemJson(total=sum(found.values()), por_status=found)


@router.get("/status/{status}", response_model=list[PedidoJson])
async def read_by_status(
    status: Status,
    query: Annotated[ListQuery, Query()],
    services: Used,
    session: Session,
    request: Request,
) -> Response:
    """Answer the orders of one status."""
    return await _answer_list(services, query, query.to_filter(status), request, session)


@router.get("/{pedido_id}", response_model=PedidoJson)
async def read_one(
    pedido_id: Annotated[int, Path(ge=-(2**63), lt=2**63)], services: Used, session: Session
) -> Response:
    """Answer one order."""
    known = 0 <= pedido_id <= MAX_INT4
    found = await services.loader.load([pedido_id]) if known else {}
    if pedido_id not in found:
        raise ProblemError(404, MISSING)
    return _answer(found[pedido_id].view(session.hidden).identity)


async def _answer_list(
    services: Services, query: ListQuery, wanted: PedidoFilter, request: Request, session: Asker
) -> Response:
    """Answer a page at once; more than a page, and everything, piece by piece however much it is."""
    if query.depois is not None:
        limit = min(query.limit if query.limit is not None else MAX_PAGE, MAX_PAGE)
        rows = await read_page(services.database, wanted, read_place(query.depois), limit)
    elif query.limit is not None and query.limit <= MAX_PAGE:
        limit = query.limit
        rows = await services.database.fetch(list_pedidos(wanted, skip=query.skip, limit=limit))
    else:
        return await _answer_pages(services, query, wanted, request, session)
    last = find_place(rows[-1]) if rows and len(rows) >= limit else None
    services.limits.charge(session.user_id, len(rows))
    content = encode_list(await services.loader.encode(rows, hidden=session.hidden))
    return _answer(content, _link(request, last))


async def _answer_pages(
    services: Services, query: ListQuery, wanted: PedidoFilter, request: Request, session: Asker
) -> Response:
    last = None
    if query.limit is not None:
        last = await find_last(services.database, wanted, skip=query.skip, limit=query.limit)
    pages = read_pages(services.database, wanted, skip=query.skip, last=last)
    pieces = encode_pages(services.loader, _charge(services, session, pages), hidden=session.hidden)
    return await answer_pieces(_in_turn(services, session, pieces), NO_CACHE | _link(request, last))


async def _charge(services: Services, session: Asker, pages: AsyncIterator[Rows]) -> AsyncIterator[Rows]:
    """Yield the same pages, and count their rows as somebody's cost."""
    async for rows in pages:
        services.limits.charge(session.user_id, len(rows))
        yield rows


async def _in_turn(services: Services, session: Asker, pieces: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same pieces, while nothing else as long is sent to the same user."""
    async with services.turns.hold(session.user_id), aclosing(pieces):
        async for piece in pieces:
            yield piece


async def _answer_difference(services: Services, since: str, session: Asker) -> Response:
    found = await read_difference(services.database, services.memory.epoch, since)
    if found.changed is None:
        pages = read_pages(services.database, PedidoFilter())
        head = _write_difference(found, complete=True) + b"["
        charged = _charge(services, session, pages)
        pieces = encode_pages(services.loader, charged, hidden=session.hidden, head=head, tail=b"]}")
        return await answer_pieces(_in_turn(services, session, pieces), NO_CACHE)
    gone = set(found.vanished)
    rows = await services.database.fetch(find_pedidos(one for one in found.changed if one not in gone))
    services.limits.charge(session.user_id, len(rows))
    changed = encode_list(await services.loader.encode(rows, hidden=session.hidden))
    return _answer(_write_difference(found, complete=False) + changed + b"}")


def _write_difference(found: Difference, *, complete: bool) -> bytes:
    """Return the object up to where the orders stand."""
    head = DiferencaJson(cursor=found.cursor, completo=complete, mudou=[], sumiu=sorted(found.vanished))
    return head.model_dump_json(exclude={"mudou"})[:-1].encode() + b',"mudou":'


NO_CACHE = {"Cache-Control": "private, no-cache"}


def _answer(content: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(content, media_type="application/json", headers=NO_CACHE | (headers or {}))


def _link(request: Request, last: Place | None) -> dict[str, str]:
    """Return the field that names the next page, if this one ends at a place."""
    if last is None:
        return {}
    kept = [
        (key, value) for key, value in request.query_params.multi_items() if key not in {"skip", "depois"}
    ]
    address = f"{request.url.path}?{urlencode([*kept, ('depois', write_place(last))])}"
    return {"Link": f'<{address}>; rel="next"'}


def _add(rows: Sequence[Row[Any]], hidden: int) -> TotaisJson:
    def add(name: str) -> Any:
        return sum(getattr(row, name) for row in rows)

    def add_money(name: str) -> str:
        return "0.00" if hidden & MONEY else f"{Decimal(add(name)):.2f}"

    return TotaisJson(
        pedidos=add("pedidos"),
        urgentes=add("urgentes"),
        atrasados=add("atrasados"),
        **{name: add_money(name) for name in ("valor_total", "valor_frete", "valor_itens")},
    )


def _read_date(name: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise ProblemError(400, f"Data inválida em {name}; use AAAA-MM-DD") from None
