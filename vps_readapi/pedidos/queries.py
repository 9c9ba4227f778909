"""Every statement about orders and their photos: SELECTs over the window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from db.contract import EstadoMiniatura, Prioridade, Status
from db.renditions import ORIGINAL
from db.vps.changes import LOG_OF_CHANGES, ORDER_OF_CHANGE
from db.vps.models import NEWEST_FIRST, Xid8, epoca, window
from vps_readapi.pedidos.keyset import Place, select_instant, write_instant
from vps_readapi.pedidos.search import fold, match_cliente, match_words, read_words

_pedidos = window["pedidos"].c
_imagens = window["imagens"].c
_miniaturas = window["miniaturas"].c

_OF_PEDIDOS = ("pedidos", "imagens", "miniaturas")
"""The tables whose changes are an order's."""

MAX_CHANGES = 20_000
"""A difference of more is not worth being one."""


class DateMode(StrEnum):
    """Which of an order's dates a period is about."""

    ENTRADA = "entrada"
    ENTREGA = "entrega"
    QUALQUER = "qualquer"


@dataclass(frozen=True, kw_only=True)
class PedidoFilter:
    """Which orders are wanted; what is None is not asked for. `first` and `last` belong to the period."""

    status: Status | None = None
    cliente: str | None = None
    is_pronto: bool | None = None
    date_mode: DateMode = DateMode.ENTRADA
    first: date | None = None
    last: date | None = None
    busca: str | None = None


def list_pedidos(wanted: PedidoFilter, *, skip: int = 0, limit: int | None = None) -> Select[Any]:
    """Select orders, the newest first."""
    return (
        select(*_PEDIDO_COLUMNS)
        .where(*_conditions(wanted))
        .order_by(*NEWEST_FIRST)
        .offset(skip or None)
        .limit(limit)
    )


def find_nth(wanted: PedidoFilter, at: int) -> Select[Any]:
    """Select the order that as many others stand before: its id, and what `find_place` needs."""
    return (
        select(_pedidos.id, select_instant(_pedidos.data_criacao))
        .where(*_conditions(wanted))
        .order_by(*NEWEST_FIRST)
        .offset(at)
        .limit(1)
    )


def list_dated_after(wanted: PedidoFilter, place: Place, *, limit: int) -> Select[Any]:
    """Select the orders that follow a place and have a date of creation, as it must have."""
    created = write_instant(place.created_us or 0)
    follows = tuple_(_pedidos.data_criacao, _pedidos.id) < tuple_(created, literal(place.id, Integer))
    return select(*_PEDIDO_COLUMNS).where(*_conditions(wanted), follows).order_by(*NEWEST_FIRST).limit(limit)


def list_undated_after(wanted: PedidoFilter, pedido_id: int, *, limit: int) -> Select[Any]:
    """Select the orders without a date of creation whose id is below one."""
    return (
        select(*_PEDIDO_COLUMNS)
        .where(*_conditions(wanted), _pedidos.data_criacao.is_(None), _pedidos.id < pedido_id)
        .order_by(*NEWEST_FIRST)
        .limit(limit)
    )


def find_pedidos(pedido_ids: Iterable[int]) -> Select[Any]:
    """Select some orders."""
    return select(*_PEDIDO_COLUMNS).where(
        _pedidos.id == any_(bindparam("pedido_ids", list(pedido_ids), type_=ARRAY(Integer)))
    )


def list_present(pedido_ids: Iterable[int]) -> Select[Any]:
    """Select the ids of those orders that exist."""
    wanted = bindparam("pedido_ids", list(pedido_ids), type_=ARRAY(BigInteger))
    return select(_pedidos.id).where(_pedidos.id == any_(wanted))


def list_ids(limit: int) -> Select[Any]:
    """Select ids of orders, in no order."""
    return select(_pedidos.id).limit(limit)


def sum_pedidos(wanted: PedidoFilter, *, time_zone: str) -> Select[Any]:
    """Select a row for each status: how many orders, how many late, and their sums.

    time_zone: where the day is counted that makes an order late.
    """
    shown = case((_pedidos.status.in_([one.value for one in Status]), _pedidos.status), else_="pendente")
    amounts = [
        func.coalesce(func.sum(column).filter(column != literal_column("'NaN'")), 0).label(column.name)
        for column in (_pedidos.valor_total, _pedidos.valor_frete, _pedidos.valor_itens)
    ]
    urgent = _pedidos.prioridade == Prioridade.ALTA.value
    today = cast(func.timezone(time_zone, func.now()), Date)
    late = and_(_pedidos.data_entrega < today, shown.in_(["pendente", "em_producao"]))
    return (
        select(
            shown.label("status"),
            func.count().label("pedidos"),
            func.count().filter(urgent).label("urgentes"),
            func.count().filter(late).label("atrasados"),
            *amounts,
        )
        .where(*_conditions(wanted))
        .group_by(text("1"))
    )


def list_changes(since: int) -> Select[Any]:
    """Select one row: the orders that changed since a cursor, and the cursor to go on with.

    `horizonte` is the oldest cursor that can be continued, `newest` a number that none can exceed.
    """
    order: ColumnElement[int] = literal_column(ORDER_OF_CHANGE, BigInteger)
    changed = (
        select(order)
        .distinct()
        .select_from(text(LOG_OF_CHANGES))
        .where(
            literal_column("m.xid", Xid8) >= cast(cast(literal(since, BigInteger), Text), Xid8),
            literal_column("m.tabela", Text).in_(_OF_PEDIDOS),
            or_(order.is_not(None), literal_column("m.chave", BigInteger).is_(None)),
        )
        .limit(MAX_CHANGES + 1)
    )
    now = func.pg_current_snapshot()
    return select(
        cast(func.pg_snapshot_xmin(now), Text).label("cursor"),
        cast(func.pg_snapshot_xmax(now), Text).label("newest"),
        cast(epoca.c.horizonte, Text).label("horizonte"),
        func.array(changed.scalar_subquery()).label("changed"),
    )


def list_photos(pedido_ids: Iterable[int]) -> Select[Any]:
    """Select the photos of some orders; `chave` is NULL where there is nothing to show.

    A photo that has no verdict yet can be shown as it is; one that was found bad can't.
    """
    wanted = bindparam("pedido_ids", list(pedido_ids), type_=ARRAY(Integer))
    return (
        select(_imagens.pedido_id, *_PHOTO_COLUMNS)
        .select_from(_PHOTOS)
        .where(_imagens.pedido_id == any_(wanted))
    )


def find_whole() -> Select[Any]:
    """Select some orders, each with its photos as JSON, and what else is visible with them.

    `pedido_ids` are to be bound. Orders and photos are of one moment: `seen` is its snapshot.
    """
    photos = (
        select(func.json_agg(func.json_build_array(*_PHOTO_COLUMNS)))
        .select_from(_PHOTOS)
        .where(_imagens.pedido_id == _pedidos.id)
        .scalar_subquery()
    )
    seen = cast(func.pg_current_snapshot(), Text)
    whole = select(*_PEDIDO_COLUMNS, photos.label("photos"), seen.label("seen"))
    return whole.where(_pedidos.id == any_(bindparam("pedido_ids", type_=ARRAY(Integer))))


def find_chave(imagem_id: int) -> Select[Any]:
    """Select the key of a photo's miniatura; the id must fit its column."""
    return select(_miniaturas.chave).where(
        _miniaturas.imagem_id == imagem_id,
        _miniaturas.estado == EstadoMiniatura.PRONTA.value,
        _miniaturas.chave.is_not(None),
    )


def find_photo(imagem_id: int | None, chave: str) -> Select[Any]:
    """Select the present key of a photo that is there, NULL while it has none; by id, or else by a key."""
    ready = _miniaturas.estado == EstadoMiniatura.PRONTA.value
    query = select(case((ready, _miniaturas.chave)).label("chave")).select_from(
        window["imagens"].outerjoin(window["miniaturas"], _miniaturas.imagem_id == _imagens.id)
    )
    return query.where(_miniaturas.chave == chave if imagem_id is None else _imagens.id == imagem_id).limit(1)


def readable(column: Column[Any]) -> ColumnElement[Any]:
    """Turn infinity and years that Python has not into NULL: the driver raises on them."""
    if not isinstance(column.type, Date | DateTime):
        return column
    held = column.between(literal_column("'0001-01-02'"), literal_column("'9999-12-30'"))
    return case((held, column)).label(column.name)


_PEDIDO_COLUMNS = (
    *(readable(column) for column in _pedidos if column.name != "cursor"),
    select_instant(_pedidos.data_criacao),
)


_PHOTOS = window["imagens"].outerjoin(window["miniaturas"], _miniaturas.imagem_id == _imagens.id)
_PHOTO_COLUMNS = (
    _imagens.id,
    _imagens.item_index,
    _imagens.item_identificador,
    case(
        (_miniaturas.estado == EstadoMiniatura.PRONTA.value, _miniaturas.chave),
        (_miniaturas.imagem_id.is_(None), func.concat(_imagens.id, f"/{ORIGINAL}")),
    ).label("chave"),
)
"""As `OrderPhoto` has them."""


def _conditions(wanted: PedidoFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(_has_status(wanted.status))
    if wanted.cliente:
        found += match_cliente(fold(wanted.cliente))
    if wanted.busca:
        found += match_words(read_words(wanted.busca))
    if wanted.is_pronto is not None:
        found.append(_pedidos.pronto.is_(wanted.is_pronto))
    if wanted.first or wanted.last:
        found.append(_is_in_period(wanted))
    return found


def _has_status(status: Status) -> ColumnElement[bool]:
    """Match what is shown: an unknown status is shown as pendente."""
    if status is Status.PENDENTE:
        return _pedidos.status.not_in([other.value for other in Status if other is not status])
    return _pedidos.status == status.value


def _is_in_period(wanted: PedidoFilter) -> ColumnElement[bool]:
    columns = {
        DateMode.ENTRADA: (_pedidos.data_entrada,),
        DateMode.ENTREGA: (_pedidos.data_entrega,),
        DateMode.QUALQUER: (_pedidos.data_entrada, _pedidos.data_entrega),
    }[wanted.date_mode]
    return or_(*(_is_between(column, wanted.first, wanted.last) for column in columns))


def _is_between(column: Column[Any], first: date | None, last: date | None) -> ColumnElement[bool]:
    bounds = []
    if first:
        bounds.append(column >= first)
    if last:
        bounds.append(column <= last)
    return and_(*bounds)
