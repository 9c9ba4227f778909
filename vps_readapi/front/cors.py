"""Let the PWA, which lives on another origin, read every answer: errors and preflights too.

It stands around the whole application, also around what answers 500. Without these headers a phone
shows "API Offline", whatever the answer was.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALLOWED_HEADERS = "authorization, content-type, if-none-match, last-event-id, sync-max-age, x-request-id"
ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
"""All of them, so that a phone that tries to write can read why it may not."""
EXPOSED_HEADERS = (
    "retry-after, etag, link, age, sync-as-of, sync-age, sync-state, sync-cursor, sync-source, x-request-id"
)
PREFLIGHT_MAX_AGE_S = 7200
"""Chromium keeps a preflight no longer than this."""


class Cors:
    """Answer preflights and add the headers to everything else.

    origins: those that may read; `*` among them is any.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), origin)
            await send(message)

        app = _answer_preflight if scope["method"] == "OPTIONS" else self._app
        await app(scope, receive, send_with_headers)

    def _add_headers(self, headers: MutableHeaders, origin: str | None) -> None:
        for name, value in cors_fields(self._origins, None if origin is None else origin.encode("latin-1")):
            headers[name.decode()] = value.decode("latin-1")
        if "*" not in self._origins:
            headers.add_vary_header("Origin")


def cors_fields(origins: frozenset[str], origin: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the fields that let an origin read an answer."""
    exposed = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
    if "*" in origins:
        return [exposed, (b"access-control-allow-origin", b"*")]
    if origin is not None and origin.decode("latin-1") in origins:
        return [exposed, (b"access-control-allow-origin", origin)]
    return [exposed]


_answer_preflight = Response(
    status_code=204,
    headers={
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
    },
)
