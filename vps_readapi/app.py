"""The application that phones talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from vps_readapi.context import open_services
from vps_readapi.cors import CorsMiddleware
from vps_readapi.errors import install_handlers
from vps_readapi.routes import auth, miniaturas, pedidos, root
from vps_readapi.settings import ApiSettings


class ReadApi(FastAPI):
    """FastAPI with the CORS headers around everything and HEAD wherever there is GET."""

    def __init__(self, *, cors_origins: Sequence[str], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._cors_origins = cors_origins

    def build_middleware_stack(self) -> ASGIApp:
        """Put CORS outside what answers 500, where added middleware can't get."""
        return CorsMiddleware(super().build_middleware_stack(), origins=self._cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the server leaves out the body of an answer to HEAD."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await super().__call__(scope, receive, send)


def create_app(settings: ApiSettings) -> ReadApi:
    """Return the application; it opens nothing before it is started."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    app = ReadApi(
        cors_origins=settings.cors_origins,
        title="Ponte",
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,  # a redirect loses the Authorization header, and behind a proxy its https
    )
    install_handlers(app)
    for part in (root, auth, pedidos, miniaturas):
        app.include_router(part.router)
    return app
