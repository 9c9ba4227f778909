"""The contract: what an order is once it is in the window, defined once for both ends.

The API's bodies extend these models, and tests read the projection's orders through them; the other tables
of the window stand in `db.window` alone. Field names are the shop's; source: SGP's schema as its ORM makes
it, and what its PWA reads.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

WINDOW_CHANNEL = "vitrine"
"""The channel that the guard notifies after a change; the payload is the table's name."""

ITEM_EXTRA_KEYS = (
    "tipo_producao",
    "vendedor",
    "designer",
    "tecido",
    "tipo_acabamento",
    "composicao_tecidos",
    "quantidade_ilhos",
    "espaco_ilhos",
    "quantidade_cordinha",
    "espaco_cordinha",
    "quantidade_paineis",
    "quantidade_totem",
    "quantidade_lona",
    "quantidade_adesivo",
    "terceirizado",
    "ziper",
    "cordinha_extra",
    "alcinha",
    "toalha_pronta",
    "rip_maquina",
    "data_impressao",
    "perfil_cor",
    "tecido_fornecedor",
    "status_arte",
)
"""The item keys that may leave beside those with a field of their own; each value is text."""

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that a phone's JavaScript holds exactly."""

Money = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]


class Status(StrEnum):
    """The five states of an order; the PWA goes blank on any other."""

    PENDENTE = "pendente"
    EM_PRODUCAO = "em_producao"
    PRONTO = "pronto"
    ENTREGUE = "entregue"
    CANCELADO = "cancelado"


class Prioridade(StrEnum):
    """How urgent an order is."""

    NORMAL = "NORMAL"
    ALTA = "ALTA"


class EstadoMiniatura(StrEnum):
    """Where a photo's miniatura stands."""

    PRONTA = "pronta"
    FALHOU = "falhou"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class ItemBase(_Model):
    """One item of an order, cut down to what may leave; further keys are `ITEM_EXTRA_KEYS`, as text."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)

    id: int = Field(ge=0, le=MAX_SAFE_INTEGER)
    descricao: str
    especificacoes: str
    """Lines for the workshop: size in metres, cloth, finish, seam."""
    observacoes: str


class Item(ItemBase):
    """An item as the window holds it."""

    indice: int = Field(ge=0)
    """Its place in SGP's list, from 0."""
    imagem_id: int | None = None
    """The photo that the item itself names."""


class PedidoBase(_Model):
    """What both ends know of an order."""

    id: int
    numero: str | None
    """Usually the id in ten digits; free text, not unique."""
    cliente: str
    status: Status
    prioridade: Prioridade
    data_entrada: date | None
    data_entrega: date | None
    cidade_cliente: str
    estado_cliente: str
    telefone_cliente: str | None
    valor_total: Money | None
    """In reais, as the others; NULL where SGP's text is no amount."""
    valor_frete: Money | None
    valor_itens: Money | None
    observacao: str | None
    forma_envio: str | None
    financeiro: bool
    conferencia: bool
    sublimacao: bool
    costura: bool
    expedicao: bool
    pronto: bool
    data_criacao: datetime | None
    ultima_atualizacao: datetime | None


class Pedido(PedidoBase):
    """An order as the window holds it."""

    sublimacao_maquina: str | None
    sublimacao_data_impressao: str | None
    items: list[Item]
    avisos: list[str]
    """Words for what could not be read in SGP's row, such as `valor_frete_ilegivel`, and for what was too
    much: `texto_cortado`, `itens_demais`."""
    versao: int
    """Grows with each write of the row on the intranet."""
