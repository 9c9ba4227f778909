"""The questions that may be put to SGP: each path, its parameters' types and the shape of its answer.

No text of a caller's gets into an address: what is filled in is a number, a date or a word declared here or
in the settings. So there is nothing to escape, and nothing that an address could be bent with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, TypeAdapter, WithJsonSchema

from vps_readapi.live import shapes

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MAX_LOGS = 500
MAX_OFFSET = 1_000_000


class Group(StrEnum):
    """What is asked about; who may is declared for each."""

    MATERIAIS = "materiais"
    MAQUINAS = "maquinas"
    PRINT_LOGS = "print-logs"
    RELATORIOS = "relatorios"


@dataclass(frozen=True)
class QuestionSpec:
    """One kind of question."""

    group: Group
    path: str
    shape: TypeAdapter[Any]
    missing: str = "Registro não encontrado"
    """What is said where SGP says 404."""


def _read_day(given: object) -> object:
    """Take an empty text for no day; a date's other forms are none of SGP's."""
    if given == "":
        return None
    if isinstance(given, str) and not _DAY.fullmatch(given):
        raise ValueError("not a day")
    return given


Day = Annotated[
    date | None,
    BeforeValidator(_read_day),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "maxLength": 0}]}),
]


class Period(BaseModel):
    """From one day to another, both included."""

    data_inicio: Day = None
    data_fim: Day = None


class LogsQuery(Period):
    """What narrows the machines' logs."""

    limit: int = Field(default=100, ge=1, le=MAX_LOGS)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    status_filter: shapes.StatusImpressao | None = None


@dataclass(frozen=True)
class Question:
    """A question as it is sent."""

    spec: QuestionSpec
    target: str
    """Path and query; equal questions have equal ones."""


def make_question(spec: QuestionSpec, query: BaseModel | None = None, **places: int | str) -> Question:
    """Fill in a question. places: numbers, or words that were declared."""
    path = spec.path.format_map(places)
    given = query.model_dump(mode="json", exclude_none=True) if query else {}
    return Question(spec, f"{path}?{urlencode(given)}" if given else path)


def _list(shape: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(list[shape])  # type: ignore[valid-type]


_NO_MATERIAL = "Material não encontrado"
_NO_MACHINE = "Máquina não encontrada"
_NO_PRINTER = "Impressora não encontrada"

MATERIAIS = QuestionSpec(Group.MATERIAIS, "/materiais/", _list(shapes.MaterialJson))
MATERIAL = QuestionSpec(
    Group.MATERIAIS, "/materiais/{material_id}", TypeAdapter(shapes.MaterialJson), _NO_MATERIAL
)
MATERIAIS_STATS = QuestionSpec(Group.MATERIAIS, "/materiais/stats", TypeAdapter(shapes.MateriaisStatsJson))
EVOLUCAO = QuestionSpec(Group.MATERIAIS, "/materiais/stats/evolucao", TypeAdapter(shapes.EvolucaoJson))
MAQUINAS = QuestionSpec(Group.MAQUINAS, "/maquinas/", _list(shapes.MaquinaJson))
MAQUINAS_ATIVAS = QuestionSpec(Group.MAQUINAS, "/maquinas/ativos", _list(shapes.MaquinaJson))
MAQUINA = QuestionSpec(Group.MAQUINAS, "/maquinas/{machine_id}", TypeAdapter(shapes.MaquinaJson), _NO_MACHINE)
MAQUINAS_OVERVIEW = QuestionSpec(Group.MAQUINAS, "/maquinas/dashboard/overview", _list(shapes.FilaJson))
PRINT_LOGS = QuestionSpec(Group.PRINT_LOGS, "/print-logs/", _list(shapes.PrintLogJson))
PRINTER_LOGS = QuestionSpec(
    Group.PRINT_LOGS, "/print-logs/printers/{printer_id}", _list(shapes.PrintLogJson), _NO_PRINTER
)
PRINTER_STATS = QuestionSpec(
    Group.PRINT_LOGS, "/print-logs/stats/{printer_id}", TypeAdapter(shapes.ImpressoraStatsJson), _NO_PRINTER
)
RELATORIO = QuestionSpec(
    Group.RELATORIOS,
    "/relatorios/{tipo}",
    TypeAdapter(dict[str, JsonValue] | list[dict[str, JsonValue]]),
    "Relatório não encontrado",
)
