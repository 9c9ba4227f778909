"""Every answer that is not a success: one JSON body, whose `detail` is a sentence for the shop's people.

The body is RFC 9457's `application/problem+json`. What the database said never stands in it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from vps_readapi.database import DATABASE_ERRORS, is_away, log_database_error
from vps_readapi.schemas import ProblemJson

MEDIA_TYPE = "application/problem+json"
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

DETAILS = {
    400: "Requisição inválida",
    404: "Endereço não encontrado",
    405: "Método não permitido neste endereço",
    413: "Requisição grande demais",
    429: "Muitas requisições; tente de novo em instantes",
    500: "Erro interno do servidor",
    503: "Banco de dados indisponível no momento; tente de novo em instantes",
}
READ_ONLY = "Esta API é somente leitura: altere o pedido no SGP e a mudança aparece aqui"
TOO_OLD = "Os dados disponíveis são mais antigos do que o pedido aceita"
RETRY_AFTER = {"Retry-After": "5"}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": ProblemJson.model_json_schema()}},
    }
    for status in (400, 401, 403, 404, 413, 415, 422, 429, 503)
}
"""What the description says of answers that are no success."""

log = logging.getLogger(__name__)


class ProblemError(Exception):
    """An answer other than a success.

    detail: a sentence in Portuguese, shown on the phone as it stands.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class UnauthorizedError(ProblemError):
    """Nobody known is asking; the PWA logs the phone out on any of these."""

    def __init__(self, detail: str = "Sessão inválida ou expirada; entre novamente") -> None:
        super().__init__(401, detail, {"WWW-Authenticate": "Bearer"})


class InvalidInputError(ProblemError):
    """The caller's fields can't be read."""

    def __init__(self, names: list[str]) -> None:
        fields = ", ".join(dict.fromkeys(name for name in names if name))
        super().__init__(422, f"Valor inválido ou ausente: {fields}" if fields else "Dados inválidos")


def render_problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer for one problem."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Make the application answer every error with a problem body."""
    app.exception_handler(ProblemError)(_answer_problem)
    app.exception_handler(HTTPException)(_answer_framework)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    for kind in DATABASE_ERRORS:
        app.exception_handler(kind)(_answer_database)
    app.exception_handler(Exception)(_answer_unforeseen)


async def _answer_problem(_: Request, error: ProblemError) -> Response:
    return render_problem(error.status, error.detail, error.headers)


async def _answer_framework(request: Request, error: HTTPException) -> Response:
    unserved = error.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    if unserved and request.method not in READ_METHODS:  # SGP's own writes have addresses that are none here
        return render_problem(405, READ_ONLY, error.headers or {"Allow": "GET, HEAD"})
    return render_problem(error.status_code, DETAILS.get(error.status_code, DETAILS[400]), error.headers)


async def _answer_invalid(_: Request, error: RequestValidationError) -> Response:
    problem = InvalidInputError([str(one["loc"][-1]) for one in error.errors()])
    return render_problem(problem.status, problem.detail)


async def _answer_database(_: Request, error: Exception) -> Response:
    return render_database_error(error)


def render_database_error(error: Exception) -> Response:
    """Log one of DATABASE_ERRORS and return its answer: 503 while the database can't be reached, else 500."""
    log_database_error(error)
    if is_away(error):
        return render_problem(503, DETAILS[503], RETRY_AFTER)
    return render_problem(500, DETAILS[500])


def render_error(error: Exception) -> Response:
    """Return the answer to whatever went wrong where no handler stands; log what nobody foresaw."""
    if isinstance(error, ProblemError):
        return render_problem(error.status, error.detail, error.headers)
    if isinstance(error, DATABASE_ERRORS):
        return render_database_error(error)
    log.error("unforeseen", exc_info=error)
    return render_problem(500, DETAILS[500])


async def _answer_unforeseen(_request: Request, _error: Exception) -> Response:
    return render_problem(500, DETAILS[500])  # the server logs the exception after this
