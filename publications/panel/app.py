"""The panel's web application: one page, its pieces, and the numbers. It shows no row of the shop's."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from ipaddress import ip_address
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from prometheus_client import CONTENT_TYPE_LATEST

from db.shown import show
from publications.faces.machine import measurement_fields
from publications.panel.chart import PIECES
from publications.panel.metrics import Polled as PolledView
from publications.panel.metrics import render
from publications.panel.page import make_page
from publications.panel.poller import Poller

STRANGE_HOST = "Este painel não atende por esse nome; veja PONTE_PANEL_NAMES\n"
HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(poller: Poller, *, names: Sequence[str] = ()) -> FastAPI:
    """Return the application over a poller that somebody else starts and stops.

    names: under which it may be asked for, beside those that no page elsewhere can take for its own.
    """
    known = frozenset(name.lower() for name in (*names, socket.getfqdn()))
    app = FastAPI(title="Ponte", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/estatico", StaticFiles(directory=HERE / "static"))
    pages = Environment(
        loader=PackageLoader("publications.panel"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=lambda value: show(value) if type(value) is str else value,
    )

    @app.middleware("http")
    async def add_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        is_ours = is_own_name(request.headers.get("host", ""), known)
        response = await answer(request) if is_ours else PlainTextResponse(STRANGE_HOST, 421)
        response.headers.update(HEADERS)
        return response

    def answer_page(template: str) -> HTMLResponse:
        page = make_page(poller.last) if poller.last else None
        return HTMLResponse(pages.get_template(template).render(page=page, pieces=PIECES))

    @app.get("/")
    def read_page() -> HTMLResponse:
        """Return the whole page."""
        return answer_page("panel.html")

    @app.get("/conteudo")
    def read_content() -> HTMLResponse:
        """Return what changes, for the page's script."""
        return answer_page("conteudo.html")

    @app.get("/estado")
    def read_state() -> JSONResponse:
        """Return each subscriber's measurement."""
        last = poller.last
        if last is None:
            return JSONResponse({})
        measured = {name: last.view.measure(name, elapsed_s=last.elapsed_s) for name in last.view.subscribers}
        return JSONResponse(
            {
                name: {**measurement_fields(one), "as_of": _write(one.freshness.as_of)}
                for name, one in measured.items()
            }
        )

    @app.get("/metrics")
    def read_metrics() -> Response:
        """Return the numbers for Prometheus."""
        return Response(render(lambda: _polled(poller)), media_type=CONTENT_TYPE_LATEST)

    return app


def is_own_name(host: str, known: Collection[str]) -> bool:
    """Tell whether a page elsewhere could not have had its own name lead here: that reads what we answer.

    An address has no name to turn, and a name without a dot is nobody's out there.
    """
    name = host.rpartition(":")[0] if re.search(r":\d*$", host) and not host.endswith("]") else host
    name = name.lower().rstrip(".")
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name in known or re.fullmatch(r"[a-z0-9_-]+", name) is not None
    return True


def _write(at: object) -> str | None:
    return None if at is None else str(at)


def _polled(poller: Poller) -> PolledView | None:
    last = poller.last
    return None if last is None else (last.view, last.at_unix, last.elapsed_s)
