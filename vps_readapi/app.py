"""The application that phones talk to."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from vps_readapi.errors import install_handlers
from vps_readapi.front.cors import Cors
from vps_readapi.front.every_answer import EveryAnswer
from vps_readapi.front.from_memory import MemoryLayer
from vps_readapi.front.request import Requests
from vps_readapi.front.turns import Turns
from vps_readapi.limits import Limits
from vps_readapi.memory.memory import Memory
from vps_readapi.routes import ao_vivo, auth, eventos, miniaturas, pedidos, root, saude
from vps_readapi.services import open_services
from vps_readapi.settings import ApiSettings


class State(TypedDict):
    """What the server hands to each connection and request."""

    memory: Memory
    requests: Requests
    limits: Limits
    turns: Turns


class ReadApi(FastAPI):
    """FastAPI with the memory in front of it, and HEAD wherever there is GET."""

    def __init__(self, *, cors_origins: Sequence[str], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._cors_origins = cors_origins

    def build_middleware_stack(self) -> ASGIApp:
        """Put what belongs to every answer outside what answers 500, where added middleware can't get."""
        return Cors(EveryAnswer(MemoryLayer(super().build_middleware_stack())), origins=self._cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the server leaves out the body of an answer to HEAD, unless it never ends."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "state": {**scope.get("state", {}), "is_head": True}}
        await super().__call__(scope, receive, send)


def create_app(settings: ApiSettings) -> ReadApi:
    """Return the application; it opens nothing before it is started."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        async with open_services(settings) as services:
            app.state.services = services
            gc.freeze()  # what stays for ever is not looked through again and again: it takes 60 ms
            yield State(
                memory=services.memory,
                requests=services.requests,
                limits=services.limits,
                turns=services.turns,
            )

    app = ReadApi(
        cors_origins=settings.cors_origins,
        title="Ponte",
        description="Os pedidos da loja, somente leitura, com a idade dos dados em cada resposta.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect loses the Authorization header, and behind a proxy its https
    )
    install_handlers(app)
    for part in (root, saude, auth, pedidos, eventos, miniaturas, ao_vivo):
        app.include_router(part.router)
    return app
