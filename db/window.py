"""The window: the tables of schema `vitrine`, defined once for both ends.

On the intranet the projection and the worker write them; on the VPS replication does, through the
guard, which adds `cursor`, a number given in the order of arrival there. There are no foreign keys:
rows of different tables arrive in any order. Every NOT NULL column but the key has a default, so that
a subscriber may leave it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from db.tables import SCHEMA

Type = TypeEngine[Any] | type[TypeEngine[Any]]


def define_window(metadata: MetaData, *, received: bool) -> dict[str, Table]:
    """Add the window's tables to `metadata` and return them by name.

    received: the VPS's side, with the columns that the guard fills in.
    """
    extra = _received if received else _sent
    return {
        name: Table(name, metadata, *columns(), *extra(name), schema=SCHEMA)
        for name, columns in _COLUMNS.items()
    }


def define_gaps(metadata: MetaData, schema: str) -> Table:
    """Add, on either end, the table of what was lost on the way there: between which beats."""
    return Table(
        "gaps",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("after_beat", BigInteger, nullable=False),
        Column("beat", BigInteger, nullable=False),
        Column("seen_at", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
        _filled("noted", Boolean, "false"),
        schema=schema,
    )


def define_quarantine(metadata: MetaData, schema: str) -> Table:
    """Add, on either end, the table of rows that stood in the way of those that arrive."""
    return Table(
        "quarantine",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("table_name", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("row", JSONB, nullable=False),
        Column("constraint_name", Text, nullable=False),
        Column("taken_at", _INSTANT, nullable=False, server_default=text("clock_timestamp()")),
        schema=schema,
    )


def _sent(_: str) -> Sequence[Column[Any]]:
    return []


def _received(name: str) -> Sequence[Column[Any]]:
    cursor = _filled("cursor", BigInteger, "0")
    return [cursor, _null("received_at", _INSTANT)] if name == "heartbeat" else [cursor]


_INSTANT = DateTime(timezone=True)
_MONEY = Numeric(14, 2)
_FLAGS = ("financeiro", "conferencia", "sublimacao", "costura", "expedicao", "pronto")


def _key(name: str, type_: Type = Integer) -> Column[Any]:
    return Column(name, type_, primary_key=True, autoincrement=False)


def _null(name: str, type_: Type = Text) -> Column[Any]:
    return Column(name, type_, nullable=True)


def _filled(name: str, type_: Type, default: str) -> Column[Any]:
    return Column(name, type_, nullable=False, server_default=text(default))


def _versao() -> Column[Any]:
    return _filled("versao", BigInteger, "0")


def _pedidos() -> list[Column[Any]]:
    return [
        _key("id"),
        _null("numero"),
        _filled("cliente", Text, "''"),
        _filled("status", Text, "'pendente'"),
        _filled("prioridade", Text, "'NORMAL'"),
        _null("data_entrada", Date),
        _null("data_entrega", Date),
        _filled("cidade_cliente", Text, "''"),
        _filled("estado_cliente", Text, "''"),
        _null("telefone_cliente"),
        _null("valor_total", _MONEY),
        _null("valor_frete", _MONEY),
        _null("valor_itens", _MONEY),
        _null("observacao"),
        _null("forma_envio"),
        *(_filled(flag, Boolean, "false") for flag in _FLAGS),
        _null("sublimacao_maquina"),
        _null("sublimacao_data_impressao"),
        _filled("items", JSONB, "'[]'"),
        _null("data_criacao", _INSTANT),
        _null("ultima_atualizacao", _INSTANT),
        _filled("avisos", ARRAY(Text), "'{}'"),
        _versao(),
    ]


def _imagens() -> list[Column[Any]]:
    return [
        _key("id"),
        _null("pedido_id", Integer),
        _null("item_index", Integer),
        _null("item_identificador"),
        _null("filename"),
        _null("mime_type"),
        _null("tamanho", Integer),
        _null("criado_em", _INSTANT),
        _versao(),
    ]


def _usuarios() -> list[Column[Any]]:
    return [
        _key("id"),
        _filled("username", Text, "''"),
        _filled("is_admin", Boolean, "false"),
        _filled("setor", Text, "'geral'"),
        _filled("is_active", Boolean, "false"),
        _versao(),
    ]


def _credenciais() -> list[Column[Any]]:
    return [
        _key("user_id"),
        _filled("salt", Text, "''"),
        _filled("digest", LargeBinary, "''"),
        _filled("key_id", Text, "''"),
        _versao(),
        _null("mudou_em", _INSTANT),
    ]


def _miniaturas() -> list[Column[Any]]:
    return [
        _key("imagem_id"),
        _filled("estado", Text, "'falhou'"),
        _null("chave"),
        _null("digest"),
        _null("bytes", Integer),
        _null("largura", Integer),
        _null("altura", Integer),
        _null("motivo"),
        _null("codificador"),
        _versao(),
    ]


def _heartbeat() -> list[Column[Any]]:
    return [
        _key("id", SmallInteger),
        _filled("beat", BigInteger, "0"),
        _null("beat_at", _INSTANT),
        _null("landed_at", _INSTANT),
        _null("landings", BigInteger),
        _versao(),
    ]


def _revogacoes() -> list[Column[Any]]:
    return [_key("digest", LargeBinary), _null("expira_em", _INSTANT), _versao()]


_COLUMNS = {
    "pedidos": _pedidos,
    "imagens": _imagens,
    "usuarios": _usuarios,
    "credenciais": _credenciais,
    "miniaturas": _miniaturas,
    "heartbeat": _heartbeat,
    "revogacoes": _revogacoes,
}
