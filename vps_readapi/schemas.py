"""The JSON that the PWA reads and writes, with SGP's field names."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_serializer

from db.contract import Item, PedidoBase, Status
from db.freshness import FreshnessState


class ItemJson(Item):
    """An item as the PWA reads it. It shows every key that it does not know, so two stay behind."""

    indice: int = Field(ge=0, exclude=True)
    imagem_id: int | None = Field(default=None, exclude=True)
    imagem_url: str | None = None
    """Absolute, works in an `<img>` without any header."""


class PedidoJson(PedidoBase):
    """An order as the PWA reads it: SGP's names and the PWA's own, where they differ."""

    observacoes: str | None
    setor_financeiro: bool
    setor_conferencia: bool
    setor_sublimacao: bool
    setor_costura: bool
    setor_expedicao: bool
    maquina_sublimacao: str | None
    data_impressao: str | None
    items: list[ItemJson]

    @field_serializer("valor_total", when_used="json")
    def _write_total(self, value: Decimal | None) -> str:
        return f"{value or 0:.2f}"

    @field_serializer("valor_frete", "valor_itens", when_used="json-unless-none")
    def _write_money(self, value: Decimal) -> str:
        return f"{value or 0:.2f}"

    @field_serializer("data_criacao", "ultima_atualizacao", when_used="json-unless-none")
    def _write_instant(self, value: datetime) -> str:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


class DiferencaJson(BaseModel):
    """What `desde` answers: the difference since a cursor."""

    cursor: str
    """What to ask with the next time."""
    completo: bool
    """True where the cursor could not be continued: `mudou` is then everything that there is."""
    mudou: list[PedidoJson]
    sumiu: list[int]


class TotaisJson(BaseModel):
    """How many orders a filter finds, and their sums in reais."""

    pedidos: int
    urgentes: int
    atrasados: int
    """Not ready on the day after their delivery date, by the shop's time zone."""
    valor_total: str
    valor_frete: str
    valor_itens: str


class ResumoJson(BaseModel):
    """The shop at a glance."""

    total: TotaisJson
    por_status: dict[Status, TotaisJson]


class TotalJson(BaseModel):
    """How many orders there are."""

    total: int


class ContagemJson(TotalJson):
    """The same, and of each status."""

    por_status: dict[Status, int]


class VidaJson(BaseModel):
    """The process lives."""

    viva: bool = True


class ProntaJson(BaseModel):
    """The process can answer from the database."""

    pronta: bool = True


class ProblemJson(BaseModel):
    """RFC 9457's body; `detail` is one sentence in Portuguese."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class LoginRequest(BaseModel):
    """Who wants in; the name is exact."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: str = Field(max_length=200)
    password: str = Field(max_length=1000, repr=False)


class LoginJson(BaseModel):
    """A session, as SGP gives it."""

    success: bool = True
    user_id: int
    username: str
    is_admin: bool
    setor: str
    session_token: str
    message: str = "Login realizado com sucesso"


class LogoutJson(BaseModel):
    """The session has ended."""

    success: bool = True
    message: str = "Logout realizado com sucesso"


class MeJson(BaseModel):
    """Whose session it is."""

    user_id: int
    username: str


class SincronizacaoJson(BaseModel):
    """How old the data is."""

    beat_at: AwareDatetime | None
    """When the newest beat left SGP, by that server's clock."""
    received_at: AwareDatetime | None
    """When it arrived, by this server's clock."""
    idade_s: float | None
    """Seconds since then, the longer of the two; null where that isn't known."""
    estado: FreshnessState
    """fresh up to 15 s, lagging up to 5 minutes, silent beyond or unknown."""


class LoginsJson(BaseModel):
    """Whether somebody who is not logged in can log in, as far as the intranet's silence decides it."""

    aceita: bool
    limite_s: float
    """After so many seconds without word from the intranet nobody can."""
    restam_s: float | None
    """How long that would last if no word came; null where the age of the data isn't known."""


class StatusJson(BaseModel):
    """How things stand."""

    estado: FreshnessState
    idade_s: float | None
    logins: LoginsJson


class RootJson(BaseModel):
    """What this server is; phones ask every 30 s whether it is there."""

    name: str = "Ponte"
    version: str
    sincronizacao: SincronizacaoJson | None
    """Null while nothing ever arrived or the database can't be asked."""
