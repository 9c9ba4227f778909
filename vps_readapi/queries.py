"""Every statement that the API sends: SELECTs over the window, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)

from db.contract import EstadoMiniatura, Status
from db.vps.models import window

_pedidos = window["pedidos"].c
_imagens = window["imagens"].c
_miniaturas = window["miniaturas"].c
_usuarios = window["usuarios"].c
_credenciais = window["credenciais"].c
_heartbeat = window["heartbeat"].c

MAX_INT4 = 2**31 - 1


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


def list_pedidos(wanted: PedidoFilter, *, skip: int = 0, limit: int | None = None) -> Select[Any]:
    """Select orders, the newest first."""
    return (
        select(*_PEDIDO_COLUMNS)
        .where(*_conditions(wanted))
        .order_by(_pedidos.data_criacao.desc().nulls_last(), _pedidos.id.desc())
        .offset(skip or None)
        .limit(limit)
    )


def find_pedido(pedido_id: int) -> Select[Any]:
    """Select one order; the id must fit its column."""
    return select(*_PEDIDO_COLUMNS).where(_pedidos.id == pedido_id)


def list_photos(pedido_ids: Iterable[int]) -> Select[Any]:
    """Select the photos of some orders; `chave` is NULL where there is no miniatura to show."""
    ready = and_(_miniaturas.imagem_id == _imagens.id, _miniaturas.estado == EstadoMiniatura.PRONTA.value)
    wanted = bindparam("pedido_ids", list(pedido_ids), type_=ARRAY(Integer))
    return (
        select(
            _imagens.id,
            _imagens.pedido_id,
            _imagens.item_index,
            _imagens.item_identificador,
            _miniaturas.chave,
        )
        .select_from(window["imagens"].outerjoin(window["miniaturas"], ready))
        .where(_imagens.pedido_id == any_(wanted))
    )


def find_login(username: str) -> Select[Any]:
    """Select who has exactly this name, and what checks the password; the newest row counts."""
    return (
        select(
            _usuarios.id,
            _usuarios.username,
            _usuarios.is_admin,
            _usuarios.setor,
            _usuarios.is_active,
            _credenciais.salt,
            _credenciais.digest,
        )
        .select_from(
            window["usuarios"].outerjoin(window["credenciais"], _credenciais.user_id == _usuarios.id)
        )
        .where(_usuarios.username == username)
        .order_by(_usuarios.versao.desc())
        .limit(1)
    )


def find_user(user_id: int) -> Select[Any]:
    """Select one user; the id must fit its column."""
    return select(_usuarios.id, _usuarios.username, _usuarios.is_active).where(_usuarios.id == user_id)


def read_heartbeat() -> Select[Any]:
    """Select the newest beat and `now`, by the clock that `received_at` was taken from."""
    return (
        select(
            _readable(_heartbeat.beat_at),
            _readable(_heartbeat.received_at),
            func.clock_timestamp(type_=DateTime(timezone=True)).label("now"),
        )
        .order_by(_heartbeat.beat.desc())
        .limit(1)
    )


def _readable(column: Column[Any]) -> ColumnElement[Any]:
    """Turn infinity and years that Python has not into NULL: the driver raises on them."""
    if not isinstance(column.type, Date | DateTime):
        return column
    held = column.between(literal_column("'0001-01-02'"), literal_column("'9999-12-30'"))
    return case((held, column)).label(column.name)


_PEDIDO_COLUMNS = tuple(_readable(column) for column in _pedidos if column.name != "cursor")


def _conditions(wanted: PedidoFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(_has_status(wanted.status))
    if wanted.cliente:
        found.append(_pedidos.cliente.icontains(wanted.cliente, autoescape=True))
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
