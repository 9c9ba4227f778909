"""What may stand in SGP's live answers, with SGP's names: what is not named here goes no further.

Pictures' addresses are not: they are paths of SGP's, or of somebody's disk.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, field_validator


class Shape(BaseModel):
    """A part of an answer; a number that JSON can't write is none."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class MaterialJson(Shape):
    """Something in stock."""

    id: int
    nome: str
    tipo: str | None = None
    estoque_metros: float | None = None
    ativo: bool | None = None
    observacao: str | None = None
    valor_metro: float | None = None
    """Withheld, unless the shop asks for it."""


class RankingJson(Shape):
    """How much of one material or finish was used."""

    nome: str
    quantidade_itens: int
    area_total_m2: float | None = None
    percentual_area: float | None = None


class KpisJson(Shape):
    """The stock's use at a glance."""

    total_itens: int
    total_area_m2: float | None = None
    material_mais_usado: str | None = None
    acabamento_mais_usado: str | None = None
    total_ilhos: int | None = None
    total_itens_com_ilhos: int | None = None
    data_pico: str | None = None
    m2_pico: float | None = None


class MateriaisStatsJson(Shape):
    """What was used in a period."""

    kpis: KpisJson
    ranking_materiais: list[RankingJson] = []
    ranking_acabamentos: list[RankingJson] = []
    por_tipo_producao: dict[str, list[RankingJson]] = {}


class DiaJson(Shape):
    """What was used on a day, in m²."""

    data: str
    total: float
    top_materiais: dict[str, float] = {}


class EvolucaoJson(Shape):
    """What was used day by day."""

    top_3_nomes: list[str] = []
    evolucao: list[DiaJson] = []


class MaquinaJson(Shape):
    """A printer."""

    id: int
    name: str
    active: bool
    created_at: datetime | None = None


class NaFilaJson(Shape):
    """An item that waits for a printer."""

    order_id: int
    order_number: str | None = None
    item_index: int | None = None
    item_name: str | None = None
    dimensions: str | None = None
    material: str | None = None
    date_due: str | None = None
    status: str | None = None
    priority: str | None = None


class FilaJson(Shape):
    """A printer and what waits for it."""

    machine_id: int
    machine_name: str
    total_items: int
    total_area: float | None = None
    queue: list[NaFilaJson] = []


class StatusImpressao(StrEnum):
    """How a print ended."""

    SUCCESS = "success"
    ERROR = "error"
    REPRINT = "reprint"


class PrintLogJson(Shape):
    """One print."""

    id: int
    printer_id: int
    printer_name: str | None = None
    pedido_id: int
    pedido_numero: str | None = None
    cliente: str | None = None
    item_id: int | None = None
    status: StatusImpressao
    item_descricao: str | None = None
    item_medidas: str | None = None
    item_material: str | None = None
    created_at: datetime | None = None
    error_message: str | None = None
    """Withheld, unless the shop asks for it."""

    @field_validator("status", mode="before")
    @classmethod
    def _lower(cls, given: object) -> object:
        return given.lower() if isinstance(given, str) else given


class ImpressoraStatsJson(Shape):
    """How a printer's prints ended."""

    printer_id: int
    printer_name: str | None = None
    total_prints: int
    successful: int | None = None
    errors: int | None = None
    reprints: int | None = None
    success_rate: float | None = None
