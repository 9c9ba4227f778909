"""Every answer: errors are problems in Portuguese, and a page of another origin may read all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import httpx
import psycopg
import pytest
from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from vps_readapi.app import ReadApi
from vps_readapi.database import DatabaseTimeoutError
from vps_readapi.errors import READ_ONLY, ProblemError, UnauthorizedError, install_handlers
from vps_readapi.routes.streaming import answer_pieces

pytestmark = pytest.mark.unit

SECRET = "relation vitrine.pedidos, row (ACME)"
FAILURES: dict[str, tuple[Exception, int]] = {
    "problem": (ProblemError(404, "Pedido não encontrado"), 404),
    "unauthorized": (UnauthorizedError(), 401),
    "unforeseen": (ValueError(SECRET), 500),
    "away": (OperationalError(SECRET, None, psycopg.OperationalError(SECRET)), 503),
    "raw": (psycopg.OperationalError(SECRET), 503),
    "broken": (DBAPIError(SECRET, None, psycopg.Error(SECRET), connection_invalidated=True), 503),
    "full": (PoolTimeoutError(SECRET), 503),
    "stuck": (DatabaseTimeoutError(), 503),
    "refused": (ProgrammingError(SECRET, None, psycopg.ProgrammingError(SECRET)), 500),
}


async def fail_first(name: str) -> AsyncIterator[bytes]:
    if name:
        raise FAILURES[name][0]
    yield b""


def build_app(origins: Sequence[str] = ("*",)) -> ReadApi:
    app = ReadApi(cors_origins=origins)
    install_handlers(app)

    @app.get("/fail/{name}")
    async def fail(name: str, n: Annotated[int, Query()] = 0) -> None:
        raise FAILURES[name][0]

    @app.get("/stream/{name}")
    async def stream(name: str) -> StreamingResponse:
        return await answer_pieces(fail_first(name), {})

    @app.get("/fine")
    async def succeed() -> dict[str, str]:
        return {"a": "b"}

    return app


def call(
    method: str, path: str, *, origins: Sequence[str] = ("*",), origin: str | None = None
) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(origins), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers={"Origin": origin} if origin else {})

    return asyncio.run(run())


def read_detail(response: httpx.Response) -> str:
    """Check the body's shape and return its sentence."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["access-control-allow-origin"] == "*"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == response.status_code
    detail = body["detail"]
    assert isinstance(detail, str)
    assert SECRET not in response.text
    return detail


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_problems_without_the_databases_text(name: str) -> None:
    response = call("GET", f"/fail/{name}")
    assert response.status_code == FAILURES[name][1]
    assert read_detail(response)


def test_a_stream_that_fails_before_it_begins_is_a_problem() -> None:
    assert call("GET", "/stream/away").status_code == 503
    assert read_detail(call("GET", "/stream/stuck"))


def test_a_problem_keeps_its_sentence_and_headers() -> None:
    assert read_detail(call("GET", "/fail/problem")) == "Pedido não encontrado"
    assert call("GET", "/fail/unauthorized").headers["www-authenticate"] == "Bearer"
    assert call("GET", "/fail/away").headers["retry-after"] == "5"


def test_an_invalid_parameter_is_named() -> None:
    response = call("GET", "/fail/problem?n=x")
    assert (response.status_code, read_detail(response)) == (422, "Valor inválido ou ausente: n")


def test_an_unknown_address_is_said_in_portuguese() -> None:
    response = call("GET", "/nada")
    assert (response.status_code, read_detail(response)) == (404, "Endereço não encontrado")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/fine", "/pedidos/1/status"])
def test_writing_is_refused_as_read_only(method: str, path: str) -> None:
    response = call(method, path)
    assert (response.status_code, read_detail(response)) == (405, READ_ONLY)
    assert "GET" in response.headers["allow"]


def test_head_works_where_get_does() -> None:
    assert call("HEAD", "/fine").status_code == 200


@pytest.mark.parametrize("path", ["/fine", "/nada", "/fail/unforeseen"])
def test_preflights_are_answered_anywhere(path: str) -> None:
    response = call("OPTIONS", path, origin="https://pwa")
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert {"authorization", "content-type"} <= set(
        response.headers["access-control-allow-headers"].split(", ")
    )
    assert "PATCH" in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/fine", "/fail/unforeseen", "/fail/away"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_only_listed_origins_may_read(method: str, path: str) -> None:
    mine = call(method, path, origins=["https://pwa", "https://b"], origin="https://pwa")
    varies = "Origin" if method == "OPTIONS" else "authorization, Origin"
    assert (mine.headers["access-control-allow-origin"], mine.headers["vary"]) == ("https://pwa", varies)
    for stranger in ("https://evil", None):
        other = call(method, path, origins=["https://pwa"], origin=stranger)
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == varies
