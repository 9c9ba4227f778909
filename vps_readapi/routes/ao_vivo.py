"""`/materiais`, `/maquinas`, `/print-logs`, `/relatorios`: what only SGP knows, asked at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, JsonValue

from db.freshness import Freshness, classify_age
from vps_readapi.errors import PROBLEMS, RETRY_AFTER, TOO_OLD, ProblemError
from vps_readapi.events import FullError, UserFullError
from vps_readapi.front.request import read_max_age
from vps_readapi.live import questions, shapes
from vps_readapi.live.access import NOT_OFFERED, hide_money
from vps_readapi.live.asking import LiveAnswer
from vps_readapi.live.questions import Group, LogsQuery, Period, Question, QuestionSpec, make_question
from vps_readapi.live.room import LiveRoom
from vps_readapi.memory.clock import write_freshness
from vps_readapi.pedidos.keyset import MAX_INT4
from vps_readapi.routes.eventos import FULL, USER_FULL, EventResponse
from vps_readapi.routes.session import BEARER, Asker, Session
from vps_readapi.services import Services, Used

router = APIRouter(dependencies=[Depends(BEARER)], responses=PROBLEMS)

Id = Annotated[int, Path(ge=0, le=MAX_INT4)]
Dias = Annotated[Period, Query()]
Logs = Annotated[LogsQuery, Query()]


@dataclass(frozen=True)
class Way:
    """One request's way to SGP."""

    session: Asker
    services: Services
    max_age_s: float | None
    """How old an answer may be at most."""

    async def answer(
        self, spec: QuestionSpec, query: BaseModel | None = None, **places: int | str
    ) -> Response:
        """Ask SGP, and answer what this asker may see. Raise ProblemError."""
        room = need_room(self.services, spec.group, self.session)
        return await self.put(room, make_question(spec, query, **places))

    async def put(self, room: LiveRoom, question: Question) -> Response:
        """The same for a question that is made and allowed."""
        answer = await room.asking.ask(question, self.session.token.claims)
        if self.max_age_s is not None and answer.age_s > self.max_age_s:
            raise ProblemError(503, TOO_OLD, RETRY_AFTER)
        content = hide_money(answer.content, self.session.hidden)
        return Response(content, media_type="application/json", headers=_describe(answer))


async def find_way(request: Request, session: Session, services: Used) -> Way:
    """Return it; without `async` a thread would do it."""
    demanded = request.headers.get("sync-max-age", "").encode("latin-1")
    return Way(session, services, read_max_age(demanded))


Asks = Annotated[Way, Depends(find_way)]


def need_room(services: Services, group: Group, session: Asker) -> LiveRoom:
    """Return the room. Raise ProblemError: 404 where it isn't offered, 403 where he may not ask."""
    if services.live is None:
        raise ProblemError(404, NOT_OFFERED)
    services.live.policy.need_access(group, session)
    return services.live


def _describe(answer: LiveAnswer) -> dict[str, str]:
    """Return the fields that say where an answer comes from, and how old it is in place of the mirror's."""
    as_of = datetime.now(UTC) - timedelta(seconds=answer.age_s)
    age = Freshness(classify_age(answer.age_s), as_of, answer.age_s)
    fields = {name.decode(): value.decode() for name, value in write_freshness(age)}
    own = {"Sync-Source": answer.source, "Age": str(int(answer.age_s)), "Cache-Control": "private, no-store"}
    return fields | own


@router.get("/materiais", include_in_schema=False)
@router.get("/materiais/", response_model=list[shapes.MaterialJson])
async def list_materiais(way: Asks) -> Response:
    """Answer the stock."""
    return await way.answer(questions.MATERIAIS)


@router.get("/materiais/stats", response_model=shapes.MateriaisStatsJson)
async def read_materiais_stats(way: Asks, query: Dias) -> Response:
    """Answer what was used in a period."""
    return await way.answer(questions.MATERIAIS_STATS, query)


@router.get("/materiais/stats/evolucao", response_model=shapes.EvolucaoJson)
async def read_evolucao(way: Asks, query: Dias) -> Response:
    """Answer what was used day by day."""
    return await way.answer(questions.EVOLUCAO, query)


@router.get("/materiais/{material_id}", response_model=shapes.MaterialJson)
async def read_material(way: Asks, material_id: Id) -> Response:
    """Answer one material."""
    return await way.answer(questions.MATERIAL, material_id=material_id)


@router.get("/maquinas", include_in_schema=False)
@router.get("/maquinas/", response_model=list[shapes.MaquinaJson])
async def list_maquinas(way: Asks) -> Response:
    """Answer the printers."""
    return await way.answer(questions.MAQUINAS)


@router.get("/maquinas/ativos", response_model=list[shapes.MaquinaJson])
async def list_maquinas_ativas(way: Asks) -> Response:
    """Answer the printers that are in use."""
    return await way.answer(questions.MAQUINAS_ATIVAS)


@router.get("/maquinas/dashboard/overview", response_model=list[shapes.FilaJson])
async def read_filas(way: Asks) -> Response:
    """Answer what waits for each printer."""
    return await way.answer(questions.MAQUINAS_OVERVIEW)


@router.get("/maquinas/{machine_id}", response_model=shapes.MaquinaJson)
async def read_maquina(way: Asks, machine_id: Id) -> Response:
    """Answer one printer."""
    return await way.answer(questions.MAQUINA, machine_id=machine_id)


@router.get("/print-logs", include_in_schema=False)
@router.get("/print-logs/", response_model=list[shapes.PrintLogJson])
async def list_print_logs(way: Asks, query: Logs) -> Response:
    """Answer what was printed, the newest first."""
    return await way.answer(questions.PRINT_LOGS, query)


@router.get("/print-logs/printers/{printer_id}", response_model=list[shapes.PrintLogJson])
async def list_printer_logs(way: Asks, printer_id: Id, query: Logs) -> Response:
    """Answer what one printer printed."""
    return await way.answer(questions.PRINTER_LOGS, query, printer_id=printer_id)


@router.get("/print-logs/stats/{printer_id}", response_model=shapes.ImpressoraStatsJson)
async def read_printer_stats(way: Asks, printer_id: Id) -> Response:
    """Answer how one printer's prints ended."""
    return await way.answer(questions.PRINTER_STATS, printer_id=printer_id)


@router.get("/print-logs/eventos", response_class=EventResponse)
async def follow_print_logs(
    request: Request,
    session: Session,
    services: Used,
    printer_id: Annotated[int | None, Query(ge=0, le=MAX_INT4)] = None,
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,10}$")] = "",
) -> EventResponse:
    """Stream `impressoes` (what was printed), `recomece` (read the logs again) and `pulso`.

    An event's id is the newest log that it knows of, for `Last-Event-ID`.
    """
    room = need_room(services, Group.PRINT_LOGS, session)
    if getattr(request.state, "is_head", False):
        return EventResponse(())
    since = int(last_event_id) if last_event_id else None
    try:
        follower = room.logs.join(session.token, printer_id=printer_id, since=since)
    except UserFullError:
        raise ProblemError(429, USER_FULL, RETRY_AFTER) from None
    except FullError:
        raise ProblemError(503, FULL, RETRY_AFTER) from None
    return EventResponse(room.logs.follow(follower), leave=partial(room.logs.leave, follower))


@router.get("/relatorios/{tipo}", response_model=dict[str, JsonValue] | list[dict[str, JsonValue]])
async def read_relatorio(
    way: Asks,
    session: Session,
    services: Used,
    tipo: Annotated[str, Path(max_length=40)],
    query: Dias,
) -> Response:
    """Answer one of SGP's reports, of those that the shop offers."""
    room = need_room(services, Group.RELATORIOS, session)
    if tipo not in room.policy.reports:
        raise ProblemError(404, questions.RELATORIO.missing)
    return await way.put(room, make_question(questions.RELATORIO, query, tipo=tipo))
