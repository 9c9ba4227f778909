"""What the shop says of live questions: where SGP is, who may ask what, and how much it may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from db.settings import PonteSettings, Words, split_words
from vps_readapi.live.questions import Group
from vps_readapi.pedidos.visibility import ANY

WITHHELD = frozenset({"valor_metro", "error_message"})
"""Fields that nobody sees unless the shop asks for them."""
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
REPORT_FIELDS = (
    "items", "total", "total_pedidos", "total_itens", "total_metragem", "quantidade", "status", "cliente",
    "vendedor", "designer", "categoria", "category", "tipo_producao", "tecido", "nome", "name", "periodo",
    "period", "data", "data_inicio", "data_fim", "date_mode", "group_by", "valor_total",
)  # fmt: skip
"""What SGP's own reports are made of."""


Names = Annotated[tuple[Annotated[str, Field(pattern=NAME)], ...], NoDecode, BeforeValidator(split_words)]


class LiveSettings(PonteSettings):
    """The part of the API's settings that is about live questions; without `live_url` none is asked."""

    live_url: str = Field(
        default="", pattern=r"^(https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?)?$"
    )
    """Where SGP answers through the tunnel, such as http://intranet-sgp.internal: a host and no path."""
    live_token: SecretStr = SecretStr("")
    """A session of SGP's to ask with; with `sgp_token_key` SGP is asked as whoever asks here."""
    live_questions: Annotated[tuple[Group, ...], NoDecode, BeforeValidator(split_words)] = tuple(Group)
    """Which may be asked at all."""
    live_setores_materiais: Words = (ANY,)
    """Setores that may ask for the stock; `*` is all, and administrators always may."""
    live_setores_maquinas: Words = (ANY,)
    live_setores_print_logs: Words = (ANY,)
    live_setores_relatorios: Words = ("financeiro",)
    live_reports: Names = ("envios", "fechamentos")
    """The reports that may be asked for, by SGP's names."""
    live_report_fields: Words = REPORT_FIELDS
    """What may stand in a report, at any depth."""
    live_reveal: Words = ()
    """Of the fields that are withheld as delivered, those that are shown: `valor_metro`, `error_message`."""
    live_hide: Words = ()
    """Further fields that nobody sees, such as `cliente`."""
    live_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long an answer may take, with everything."""
    live_connect_seconds: float = Field(default=2.0, gt=0, le=60)
    live_connections: int = Field(default=2, ge=1, le=16)
    """How many questions of each kind are asked at the same time."""
    live_max_kb: int = Field(default=1024, ge=1, le=65536)
    """The largest answer that is taken, unpacked."""
    live_cache_mb: int = Field(default=4, ge=0, le=1024)
    """How much each process keeps of answers, for while SGP is away."""
    live_cache_hours: float = Field(default=24.0, ge=0)
    """How old a kept answer may be that is still shown."""
    live_poll_seconds: float = Field(default=2.0, ge=0.5, le=60)
    """How often the machines' logs are looked at while somebody follows them."""

    @field_validator("live_hide")
    @classmethod
    def _need_ids(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if "id" in given:
            raise ValueError("an id can't be hidden: the machines' logs are followed by it")
        return given

    @field_validator("live_reveal")
    @classmethod
    def _need_withheld(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(given) - WITHHELD:
            raise ValueError(f"not withheld as delivered: {', '.join(sorted(unknown))}")
        return given
