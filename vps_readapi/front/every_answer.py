"""What belongs to every answer: its id, how old the data is, and a line in the log without a row's values."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vps_readapi.errors import RETRY_AFTER, TOO_OLD, render_problem
from vps_readapi.front.answer import next_request_id
from vps_readapi.front.metrics import requests_total
from vps_readapi.front.request import read_max_age
from vps_readapi.memory.clock import Field
from vps_readapi.memory.memory import Memory

ANY_AGE = frozenset(
    ("/", "/auth/login", "/auth/logout", "/saude/viva", "/saude/pronta", "/saude/status", "/openapi.json")
)
"""What answers whatever age is demanded: it says itself how things stand, or shows no data."""

LIVE = ("/materiais", "/maquinas", "/print-logs", "/relatorios")
"""Addresses whose answers are as old as they say, whatever the mirror is."""

SIGNED = "/miniaturas/"
"""Addresses that carry the permission themselves."""

SOURCE = b"sync-source"
"""The field of an answer that is not the mirror's, and says itself how old it is."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = logging.getLogger("vps_readapi.request")


class EveryAnswer:
    """Stand around everything that takes the long way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _GIVEN_ID.fullmatch(given) else next_request_id()
        memory = scope.get("state", {}).get("memory")
        if isinstance(memory, Memory):
            scope["state"]["cursor"] = (
                memory.clock.cursor
            )  # older than any content; noted again once confirmed
        began = time.perf_counter()
        status = 0

        async def send_with_fields(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = keep_from_caches(message.get("headers", ()), scope["path"])
                fields.append((b"x-request-id", request_id.encode()))
                if isinstance(memory, Memory) and all(name != SOURCE for name, _ in fields):
                    fields += memory.clock.fields(scope["state"]["cursor"])
                message = {**message, "headers": fields}
            await send(message)

        app = self._app
        if isinstance(memory, Memory) and _is_too_old(memory, headers, scope["path"]):
            app = render_problem(503, TOO_OLD, RETRY_AFTER)
        try:
            await app(scope, receive, send_with_fields)
        finally:
            _log(scope, request_id, status, began)


def keep_from_caches(given: Iterable[Field], path: str) -> list[Field]:
    """Return an answer's fields with those that keep it from being shown to somebody else."""
    fields = list(given)
    if all(name.lower() != b"cache-control" for name, _ in fields):
        fields.append((b"cache-control", b"private, no-store"))
    varies = b",".join(value for name, value in fields if name.lower() == b"vary").lower()
    if b"authorization" not in varies and not path.startswith(SIGNED):
        fields.append((b"vary", b"authorization"))
    return fields


def _is_too_old(memory: Memory, headers: Headers, path: str) -> bool:
    demanded = headers.get("sync-max-age")
    limit = read_max_age(demanded.encode("latin-1")) if demanded else None
    return limit is not None and not _says_itself(path) and memory.clock.is_older_than(limit)


def _says_itself(path: str) -> bool:
    return path in ANY_AGE or path.startswith(LIVE)


def _log(scope: Scope, request_id: str, status: int, began: float) -> None:
    """Say what was asked by its route, never by its address: that may hold a client's name."""
    route = getattr(scope.get("route"), "path", "-")
    requests_total.labels(route, str(status)).inc()
    log.info(
        "request",
        extra={
            "fields": {
                "id": request_id,
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 2),
            }
        },
    )
